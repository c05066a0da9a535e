package jobs_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bide/jobs"
	"bide/waitctx"
)

func onlyPause(j jobs.Job) error { return j.Pause() }

func mustStart(t *testing.T, p *jobs.Pool, wc *waitctx.WaitCtx, fn func(jobs.Job) error, want jobs.Status) jobs.Job {
	t.Helper()
	j, st, err := p.Start(wc, fn)
	if st != want || err != nil {
		t.Fatalf("Start() = %v, %v, want %v, nil", st, err, want)
	}
	return j
}

func mustResume(t *testing.T, j jobs.Job, want jobs.Status) {
	t.Helper()
	if st, err := j.Resume(); st != want || err != nil {
		t.Fatalf("Resume() = %v, %v, want %v, nil", st, err, want)
	}
}

func newPool(t *testing.T, max, init int) *jobs.Pool {
	t.Helper()
	p, err := jobs.NewPool(max, init)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// asynctest 1: a finished job frees a slot.
func TestOpenSSLInitThread(t *testing.T) {
	p := newPool(t, 2, 0)
	j1 := mustStart(t, p, nil, onlyPause, jobs.Paused)
	j2 := mustStart(t, p, nil, onlyPause, jobs.Paused)
	if _, st, err := p.Start(nil, onlyPause); st != jobs.Failed || err != jobs.ErrNoJobs {
		t.Fatalf("third Start() = %v, %v, want Failed, ErrNoJobs", st, err)
	}
	mustResume(t, j1, jobs.Finished)
	j3 := mustStart(t, p, nil, onlyPause, jobs.Paused)
	mustResume(t, j2, jobs.Finished)
	mustResume(t, j3, jobs.Finished)
	if p.Live() != 0 {
		t.Errorf("Live() = %d, want 0", p.Live())
	}
}

// asynctest 3: a job counts before and after its pause, and its result arrives.
func TestOpenSSLStartJob(t *testing.T) {
	p := newPool(t, 1, 0)
	two := errors.New("result 2")
	ctr := 0
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		ctr++
		j.Pause()
		ctr++
		return two
	}, jobs.Paused)
	if ctr != 1 {
		t.Fatalf("ctr = %d at the pause, want 1", ctr)
	}
	if st, err := j.Resume(); st != jobs.Finished || err != two || ctr != 2 {
		t.Fatalf("Resume() = %v, %v with ctr %d, want Finished, %v, 2", st, err, ctr, two)
	}
}

// asynctest 4: the job sees the handle its starter gets.
func TestOpenSSLGetCurrentJob(t *testing.T) {
	p := newPool(t, 1, 0)
	var seen jobs.Job
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		seen = jobs.FromContext(j.Context())
		return j.Pause()
	}, jobs.Paused)
	if seen != j {
		t.Fatalf("job inside = %v, handle = %v", seen, j)
	}
	mustResume(t, j, jobs.Finished)
}

// asynctest 5: the diff, read at every step.
func TestOpenSSLGetAllFDs(t *testing.T) {
	const magic = 99
	p := newPool(t, 1, 0)
	var wc waitctx.WaitCtx
	check := func(step string, all int, want ...waitctx.Op) {
		t.Helper()
		if wc.Len() != all {
			t.Fatalf("%s: Len() = %d, want %d", step, wc.Len(), all)
		}
		for _, w := range wc.All() {
			if w.FD != magic {
				t.Fatalf("%s: fd %d, want %d", step, w.FD, magic)
			}
		}
		ch := wc.Changes(nil)
		if len(ch) != len(want) {
			t.Fatalf("%s: %d changes, want %d", step, len(ch), len(want))
		}
		for i, op := range want {
			if ch[i].Op != op || ch[i].FD != magic {
				t.Fatalf("%s: change %d is op %d fd %d, want op %d fd %d", step, i, ch[i].Op, ch[i].FD, op, magic)
			}
		}
		wc.Ack()
	}
	j := mustStart(t, p, &wc, func(j jobs.Job) error {
		wc := j.WaitCtx()
		j.Pause()
		if err := wc.Set(wc, waitctx.Wait{FD: magic}); err != nil {
			return err
		}
		j.Pause()
		wc.Clear(wc)
		j.Pause()
		if err := wc.Set(wc, waitctx.Wait{FD: magic}); err != nil {
			return err
		}
		wc.Clear(wc)
		return nil
	}, jobs.Paused)
	check("run 1", 0)
	mustResume(t, j, jobs.Paused)
	check("run 2", 1, waitctx.OpAdd)
	mustResume(t, j, jobs.Paused)
	check("run 3", 0, waitctx.OpDelete)
	mustResume(t, j, jobs.Finished)
	check("run 4", 0)
}

// asynctest 6: only the second pause acts.
func TestOpenSSLBlockPause(t *testing.T) {
	p := newPool(t, 1, 0)
	step := 0
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		j.BlockPause()
		j.Pause()
		step = 1
		j.UnblockPause()
		return j.Pause()
	}, jobs.Paused)
	if step != 1 {
		t.Fatalf("step = %d, want 1: the blocked pause acted", step)
	}
	mustResume(t, j, jobs.Finished)
}

func TestBlockCounterEndsWithJob(t *testing.T) {
	p := newPool(t, 1, 0)
	mustStart(t, p, nil, func(j jobs.Job) error { j.BlockPause(); return nil }, jobs.Finished)
	j := mustStart(t, p, nil, onlyPause, jobs.Paused)
	mustResume(t, j, jobs.Finished)
}

func TestInitBeyondMaxIsRefused(t *testing.T) {
	if _, err := jobs.NewPool(1, 2); err == nil {
		t.Error("NewPool(1, 2) = nil error")
	}
	if p, err := jobs.NewPool(0, 5); err != nil {
		t.Errorf("NewPool(0, 5) = %v, want nil: no limit", err)
	} else {
		p.Close()
	}
}

func TestStaleHandleIsInert(t *testing.T) {
	p := newPool(t, 1, 0)
	old := mustStart(t, p, nil, onlyPause, jobs.Paused)
	mustResume(t, old, jobs.Finished)
	j := mustStart(t, p, nil, onlyPause, jobs.Paused)
	if st, err := old.Resume(); st != jobs.Failed || err != jobs.ErrStale {
		t.Errorf("stale Resume() = %v, %v, want Failed, ErrStale", st, err)
	}
	mustResume(t, j, jobs.Finished)
}

func TestOneJobOwnsAContext(t *testing.T) {
	p := newPool(t, 0, 0)
	var wc waitctx.WaitCtx
	j := mustStart(t, p, &wc, onlyPause, jobs.Paused)
	if _, st, err := p.Start(&wc, onlyPause); st != jobs.Failed || err != waitctx.ErrBusy {
		t.Errorf("second Start() = %v, %v, want Failed, ErrBusy", st, err)
	}
	mustResume(t, j, jobs.Finished)
	j = mustStart(t, p, &wc, onlyPause, jobs.Paused)
	mustResume(t, j, jobs.Finished)
}

func TestPanicAndGoexitEndTheJobOnly(t *testing.T) {
	p := newPool(t, 1, 0)
	_, st, err := p.Start(nil, func(jobs.Job) error { panic("boom") })
	var pe *jobs.PanicError
	if st != jobs.Finished || !errors.As(err, &pe) || pe.Value != "boom" || len(pe.Stack) == 0 {
		t.Fatalf("Start(panic) = %v, %v", st, err)
	}
	_, st, err = p.Start(nil, func(jobs.Job) error { runtime.Goexit(); return nil })
	if st != jobs.Finished || err != jobs.ErrGoexit {
		t.Fatalf("Start(Goexit) = %v, %v, want Finished, ErrGoexit", st, err)
	}
	j := mustStart(t, p, nil, onlyPause, jobs.Paused)
	mustResume(t, j, jobs.Finished)
}

// A host that waits for a free place hears of each, and of nothing else: a nested
// job takes none.
func TestOnFree(t *testing.T) {
	p := newPool(t, 1, 0)
	var live []int
	again := true
	p.OnFree(func() {
		live = append(live, p.Live())
		if again {
			again = false
			mustStart(t, p, nil, func(jobs.Job) error { return nil }, jobs.Finished)
		}
	})
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		j.Run(func(jobs.Job) error { return nil })
		return j.Pause()
	}, jobs.Paused)
	if len(live) != 0 {
		t.Errorf("OnFree was told of %d ends while the only job was paused", len(live))
	}
	mustResume(t, j, jobs.Finished)
	if !slices.Equal(live, []int{0, 0}) {
		t.Errorf("Live() was %v when OnFree was told, want 0 twice: for the job, and for the one started there", live)
	}
}

func TestNestedJobPausesTheOuter(t *testing.T) {
	p := newPool(t, 2, 0)
	var order []string
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		order = append(order, "outer")
		err := j.Run(func(in jobs.Job) error {
			order = append(order, "inner")
			in.Pause()
			order = append(order, "inner again")
			return nil
		})
		order = append(order, "outer again")
		return err
	}, jobs.Paused)
	if len(order) != 2 {
		t.Fatalf("order = %q at the pause", order)
	}
	mustResume(t, j, jobs.Finished)
	if len(order) != 4 || p.Live() != 0 {
		t.Fatalf("order = %q, Live() = %d", order, p.Live())
	}
}

// A job that is ended by force where its nested job pauses takes that with it.
func TestNestedJobEndsWithTheOuter(t *testing.T) {
	p := newPool(t, 2, 0)
	began, unwound := 0, 0
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		for { // whatever becomes of it
			j.Run(func(in jobs.Job) error {
				defer func() { unwound++ }()
				began++
				return in.Pause()
			})
		}
	}, jobs.Paused)
	j.Cancel(nil)
	if st, err := j.Resume(); st != jobs.Finished || !errors.Is(err, jobs.ErrCanceled) {
		t.Fatalf("Resume() = %v, %v, want Finished, ErrCanceled", st, err)
	}
	if unwound != began {
		t.Errorf("%d of %d nested jobs have ended, want all", unwound, began)
	}
}

func TestCloseUnwindsPausedJobs(t *testing.T) {
	p, _ := jobs.NewPool(0, 0)
	var got error
	mustStart(t, p, nil, func(j jobs.Job) error { got = j.Pause(); return got }, jobs.Paused)
	defied := 0
	mustStart(t, p, nil, func(j jobs.Job) error {
		for {
			j.Pause()
			defied++
		}
	}, jobs.Paused)
	p.Close()
	if got != jobs.ErrCanceled || p.Live() != 0 || defied == 0 {
		t.Errorf("Pause() = %v, Live() = %d, defied %d", got, p.Live(), defied)
	}
}

// Close in a job would switch away from it for good.
func TestCloseInAJob(t *testing.T) {
	p := newPool(t, 0, 0)
	paused := mustStart(t, p, nil, onlyPause, jobs.Paused)
	mustStart(t, p, nil, func(j jobs.Job) error {
		if err := p.Close(); err != waitctx.ErrBusy {
			t.Errorf("Close() in a job = %v, want ErrBusy", err)
		}
		return j.Run(func(jobs.Job) error {
			if err := p.Close(); err != waitctx.ErrBusy {
				t.Errorf("Close() in a nested job = %v, want ErrBusy", err)
			}
			return nil
		})
	}, jobs.Finished)
	mustResume(t, paused, jobs.Finished)
}

func TestPauseOutsideAJob(t *testing.T) {
	var j jobs.Job
	if err := j.Pause(); err != nil {
		t.Errorf("Pause() = %v, want nil", err)
	}
}

// A Pool's host decides what it resumes for.
func TestWaitKeyInAPool(t *testing.T) {
	p := newPool(t, 0, 0)
	var wc waitctx.WaitCtx
	var missing error
	j := mustStart(t, p, &wc, func(j jobs.Job) error {
		wc.Set("a", waitctx.Wait{FD: 1})
		missing = j.WaitKey("b")
		j.BlockPause()
		j.WaitKey("a")
		j.UnblockPause()
		return j.WaitKey("a")
	}, jobs.Paused)
	mustResume(t, j, jobs.Finished)
	if !errors.Is(missing, waitctx.ErrNoKey) || !strings.Contains(missing.Error(), "key b:") {
		t.Errorf("WaitKey() of key b, which is not set, = %v, want ErrNoKey", missing)
	}
	var outside jobs.Job
	if err := outside.WaitKey("a"); err != nil {
		t.Errorf("WaitKey() outside a job = %v, want nil", err)
	}
}
