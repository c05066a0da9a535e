package jobs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"bide/jobs"
	"bide/waitctx"
)

// These are the cases of OpenSSL's job machinery that its own tests leave out.
// Those of its wait contexts alone are in package waitctx.

// OpenSSL copies the arguments when a job starts. Here the function closes over
// them, and sees what they are by then.
func TestOpenSSLArgs(t *testing.T) {
	p := newPool(t, 1, 0)
	arg, seen := 1, 0
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		err := j.Pause()
		seen = arg
		return err
	}, jobs.Paused)
	arg = 2
	mustResume(t, j, jobs.Finished)
	if seen != 2 {
		t.Errorf("the job saw %d, want 2", seen)
	}
}

// OpenSSL starts a job without arguments in one release and answers ERR in
// another. A job without a function is refused, and takes no slot.
func TestOpenSSLNoArgs(t *testing.T) {
	p := newPool(t, 1, 0)
	var wc waitctx.WaitCtx
	if j, st, err := p.Start(&wc, nil); j != (jobs.Job{}) || st != jobs.Failed || err == nil {
		t.Errorf("Start(nil) = %v, %v, %v, want the zero Job, Failed, an error", j, st, err)
	}
	mustStart(t, p, &wc, func(jobs.Job) error { return nil }, jobs.Finished)
}

// A job started inside a job releases the outer one in OpenSSL, and crashes.
func TestOpenSSLNested(t *testing.T) {
	p := newPool(t, 2, 0)
	var inner jobs.Job
	outer := mustStart(t, p, nil, func(j jobs.Job) error {
		var st jobs.Status
		var err error
		inner, st, err = p.Start(nil, onlyPause)
		if st != jobs.Paused || err != nil {
			return fmt.Errorf("Start() inside a job = %v, %v, want Paused, nil", st, err)
		}
		if !j.Valid() || p.Live() != 2 {
			return fmt.Errorf("the outer job: valid %v, Live() = %d, want true, 2", j.Valid(), p.Live())
		}
		if _, err := j.Resume(); err != waitctx.ErrBusy {
			return fmt.Errorf("Resume() of the running job = %v, want ErrBusy", err)
		}
		return j.Pause()
	}, jobs.Paused)
	mustResume(t, outer, jobs.Finished)
	mustResume(t, inner, jobs.Finished)
}

// In a recycled job OpenSSL answers FINISH with the previous result.
func TestOpenSSLNestedInARecycledJob(t *testing.T) {
	p := newPool(t, 2, 0)
	old := errors.New("previous result")
	p.Start(nil, func(jobs.Job) error { return old })
	ran := false
	mustStart(t, p, nil, func(j jobs.Job) error {
		_, st, err := p.Start(nil, func(jobs.Job) error { ran = true; return nil })
		if st != jobs.Finished || err != nil || !ran {
			return fmt.Errorf("Start() = %v, %v, ran %v, want Finished, nil, true", st, err, ran)
		}
		return nil
	}, jobs.Finished)
}

// Another paused job resumed inside a job crashes OpenSSL once the outer one
// returns.
func TestOpenSSLResumeInsideAJob(t *testing.T) {
	p := newPool(t, 0, 0)
	other := mustStart(t, p, nil, onlyPause, jobs.Paused)
	mustStart(t, p, nil, func(jobs.Job) error {
		st, err := other.Resume()
		if st != jobs.Finished {
			return fmt.Errorf("Resume() = %v, %v, want Finished", st, err)
		}
		return err
	}, jobs.Finished)
	if p.Live() != 0 {
		t.Errorf("Live() = %d, want 0", p.Live())
	}
}

// A job that returns with its pauses blocked leaves them blocked for the next
// one in OpenSSL, whose counter is the thread's.
func TestOpenSSLBlockedLeak(t *testing.T) {
	p := newPool(t, 1, 0)
	mustStart(t, p, nil, func(j jobs.Job) error { j.BlockPause(); return nil }, jobs.Finished)
	j := mustStart(t, p, nil, func(j jobs.Job) error {
		j.BlockPause()
		j.UnblockPause()
		return j.Pause()
	}, jobs.Paused)
	mustResume(t, j, jobs.Finished)
}

// Unblocking what is not blocked does nothing.
func TestOpenSSLUnblockClamps(t *testing.T) {
	p := newPool(t, 1, 0)
	mustStart(t, p, nil, func(j jobs.Job) error {
		j.UnblockPause()
		j.BlockPause()
		return j.Pause() // blocked: the earlier call did not count
	}, jobs.Finished)
}

// A pool without a limit cannot be pre-filled in OpenSSL.
func TestOpenSSLInitWithoutLimit(t *testing.T) {
	p := newPool(t, 0, 5)
	var js []jobs.Job
	for range 7 {
		js = append(js, mustStart(t, p, nil, onlyPause, jobs.Paused))
	}
	for _, j := range js {
		mustResume(t, j, jobs.Finished)
	}
}

// A context that one paused job owns cannot be had by a second.
func TestOpenSSLSharedContext(t *testing.T) {
	p := newPool(t, 2, 0)
	var wc waitctx.WaitCtx
	j := mustStart(t, p, &wc, func(j jobs.Job) error {
		wc.Set("a", waitctx.Wait{FD: 10})
		return j.Pause()
	}, jobs.Paused)
	if _, st, err := p.Start(&wc, onlyPause); st != jobs.Failed || err != waitctx.ErrBusy {
		t.Fatalf("Start() on another job's context = %v, %v, want Failed, ErrBusy", st, err)
	}
	if p.Live() != 1 {
		t.Errorf("Live() = %d, want 1: the refused job took a slot", p.Live())
	}
	if ch := wc.Changes(nil); len(ch) != 1 || ch[0].FD != 10 {
		t.Errorf("Changes() = %v, want the add of fd 10", ch)
	}
	mustResume(t, j, jobs.Finished)
}

// What was not read before the resume is lost in OpenSSL; what was not read
// before the end is reported to the next job again.
func TestOpenSSLUnreadDifference(t *testing.T) {
	p := newPool(t, 1, 0)
	var wc waitctx.WaitCtx
	j := mustStart(t, p, &wc, func(j jobs.Job) error {
		wc.Set("a", waitctx.Wait{FD: 10})
		if err := j.Pause(); err != nil {
			return err
		}
		return wc.Set("b", waitctx.Wait{FD: 11})
	}, jobs.Paused)
	mustResume(t, j, jobs.Finished)
	if ch := wc.Changes(nil); len(ch) != 2 {
		t.Fatalf("Changes() = %v, want both adds", ch)
	}
	wc.Ack()
	j = mustStart(t, p, &wc, onlyPause, jobs.Paused)
	if ch := wc.Changes(nil); len(ch) != 0 {
		t.Errorf("Changes() in the next job = %v, want none", ch)
	}
	mustResume(t, j, jobs.Finished)
}

// The example of ASYNC_start_job(3), with the order of lines it gives.
func TestOpenSSLManualPage(t *testing.T) {
	p := newPool(t, 1, 0)
	var out []string
	say := func(line string) { out = append(out, line) }
	say("Starting...")
	var wc waitctx.WaitCtx
	message := "Hello from the caller"
	fn := func(j jobs.Job) error {
		if j == (jobs.Job{}) {
			return errors.New("not executing within a job")
		}
		say("Executing within a job")
		say("Passed in message is: " + message)
		if err := j.WaitCtx().Set("key", waitctx.Wait{FD: 3}); err != nil {
			return err
		}
		j.Pause()
		say("Resumed the job after a pause")
		return nil
	}
	j, st, err := p.Start(&wc, fn)
	for st == jobs.Paused {
		say("Job was paused")
		say(fmt.Sprintf("Waiting for %d", wc.Len()))
		st, err = j.Resume()
	}
	say(fmt.Sprintf("Job finished: %v", err))
	say("Finishing")
	want := []string{
		"Starting...", "Executing within a job", "Passed in message is: Hello from the caller",
		"Job was paused", "Waiting for 1", "Resumed the job after a pause", "Job finished: <nil>", "Finishing",
	}
	if strings.Join(out, "\n") != strings.Join(want, "\n") {
		t.Errorf("printed\n%s\nwant\n%s", strings.Join(out, "\n"), strings.Join(want, "\n"))
	}
}
