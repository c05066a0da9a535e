package jobs_test

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// mustStartNow is Start where it has to succeed.
func mustStartNow(t *testing.T, s *jobs.Scheduler, fn func(jobs.Job) error) jobs.Job {
	t.Helper()
	j, err := s.Start(fn)
	if err != nil {
		t.Fatalf("Start() = %v, want nil", err)
	}
	return j
}

func TestStartRunsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, w := pipe(t)
		var steps []string
		j := mustStartNow(t, s, func(j jobs.Job) error {
			steps = append(steps, "begun")
			if !j.Valid() {
				t.Error("Valid() = false in the job")
			}
			return nil
		})
		if len(steps) != 1 || j.Valid() || s.Live() != 0 {
			t.Fatalf("after Start: steps %v, Valid() = %v, Live() = %d, want one step, false, 0", steps, j.Valid(), s.Live())
		}
		j = mustStartNow(t, s, func(j jobs.Job) error {
			err := j.Wait(waitctx.FD(r), 0)
			steps = append(steps, "ready")
			return err
		})
		if !j.Valid() || s.Live() != 1 {
			t.Fatalf("Valid() = %v, Live() = %d while it waits, want true, 1", j.Valid(), s.Live())
		}
		sysWrite(w, []byte("x"))
		turns(t, s, idle(s))
		if j.Valid() || len(steps) != 2 {
			t.Errorf("steps %v, Valid() = %v, want two steps, false", steps, j.Valid())
		}
	})
}

// TestStartGoesOnWhileItCan: a pause that what is there already ends goes to the
// loop, where others have their turn, and back within Start.
func TestStartGoesOnWhileItCan(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var c jobs.Cond
		var order []string
		waits := mustStartNow(t, s, func(j jobs.Job) error {
			err := c.Wait(j)
			order = append(order, "other")
			return err
		})
		j := mustStartNow(t, s, func(j jobs.Job) error {
			c.Signal()
			j.Waker().Wake()
			order = append(order, "before")
			err := j.Park()
			order = append(order, "after")
			if err := j.Sleep(0); err != nil {
				return err
			}
			order = append(order, "end")
			return err
		})
		if want := []string{"before", "other", "after", "end"}; !slices.Equal(order, want) || j.Valid() || waits.Valid() {
			t.Errorf("order %v, want %v, and both ended", order, want)
		}
		st := statsOf(s)
		if st.Started != 2 || st.Resumes != 5 || st.Live != 0 {
			t.Errorf("Stats() = %+v, want 2 started, 5 resumes, 0 live", st)
		}
	})
}

// statsOf asks a loop that nobody else runs.
func statsOf(s *jobs.Scheduler) jobs.Stats {
	ch := make(chan jobs.Stats, 1)
	go func() { ch <- s.Stats() }()
	for {
		select {
		case st := <-ch:
			return st
		default:
			s.RunOnce(0)
			runtime.Gosched()
		}
	}
}

// TestStartComesToAnEnd: a job that is always ready has a bounded number of steps.
func TestStartComesToAnEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		steps, stop := 0, false
		mustStartNow(t, s, func(j jobs.Job) error {
			for ; !stop; steps++ {
				if steps%2 == 0 {
					j.Waker().Wake()
					j.Park()
				} else {
					j.Sleep(0)
				}
			}
			return nil
		})
		if steps == 0 || steps > 1000 {
			t.Errorf("%d steps within Start, want some, and a bound", steps)
		}
		before := steps
		if more, err := s.RunOnce(0); !more || err != nil || steps == before {
			t.Errorf("RunOnce() = %v, %v, and %d steps, want true, nil, and more than %d", more, err, steps, before)
		}
		stop = true
	})
}

// TestStartFailures: what a job started at once fails with is told as ever, and
// leaves the loop's goroutine.
func TestStartFailures(t *testing.T) {
	bad := errors.New("bad")
	var got []error
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		mustStartNow(t, s, func(jobs.Job) error { return bad })
		mustStartNow(t, s, func(jobs.Job) error { panic(bad) })
		mustStartNow(t, s, func(jobs.Job) error { runtime.Goexit(); return nil })
		if p := new(jobs.PanicError); len(got) != 3 || got[0] != bad || !errors.As(got[1], &p) || got[2] != jobs.ErrGoexit {
			t.Errorf("WithErrors was told %v, want bad, a panic, ErrGoexit", got)
		}
		ran := false
		mustStartNow(t, s, func(jobs.Job) error { ran = true; return nil })
		if st := statsOf(s); !ran || st.Failed != 3 || st.Started != 4 {
			t.Errorf("ran = %v, Stats() = %+v, want true, 3 failed of 4", ran, st)
		}
	}, jobs.WithErrors(func(_ string, err error) { got = append(got, err) }))
}

// TestStartOutOfPlace: in a job, in a post, and while another goroutine is in the
// loop Start is refused.
func TestStartOutOfPlace(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	never := func(jobs.Job) error { t.Error("it runs"); return nil }
	refused := func(where string, want error) {
		if j, err := s.Start(never); err != want || j != (jobs.Job{}) {
			t.Errorf("Start() %s = %v, %v, want the zero Job, %v", where, j, err, want)
		}
	}
	mustStartNow(t, s, func(jobs.Job) error { refused("in a job", waitctx.ErrBusy); return nil })
	s.Post(func() { refused("in a post", waitctx.ErrBusy) })
	s.RunOnce(0)
	running, end := make(chan struct{}), make(chan struct{})
	s.Post(func() { close(running); <-end })
	done := make(chan error)
	go func() { done <- s.Run(t.Context()) }()
	<-running
	refused("during Run", waitctx.ErrBusy)
	close(end)
	s.Close()
	if err := <-done; err != nil {
		t.Errorf("Run() = %v after Close, want nil", err)
	}
	refused("after Close", jobs.ErrClosed)
}

// TestCloseDuringStart: the job goes on, its next wait is ended, and Close returns
// once Start has.
func TestCloseDuringStart(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	var got error
	s.Start(func(j jobs.Job) error {
		go func() { closed <- s.Close() }()
		for { // until it has begun
			next, err := j.Renew()
			if err == jobs.ErrClosed {
				break
			}
			j = next
			runtime.Gosched()
		}
		got = j.Park()
		return got
	})
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
	if got != jobs.ErrClosed || s.Live() != 0 {
		t.Errorf("Park() = %v with %d jobs live, want ErrClosed, 0", got, s.Live())
	}
}

func TestStartAndTheWatchdog(t *testing.T) {
	stalls := make(chan jobs.Stall, 10)
	opt := jobs.WithWatchdog(100*time.Millisecond, func(s jobs.Stall) { stalls <- s })
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		mustStartNow(t, s, func(j jobs.Job) error {
			j.SetName("first")
			j, _ = j.Renew()
			if j.Name() != "" {
				t.Errorf("Name() = %q of a new job, want none", j.Name())
			}
			j.SetName("second")
			blocks()
			return nil
		})
		time.Sleep(time.Hour)
		if len(stalls) != 1 {
			t.Fatalf("%d reports of one long turn, want 1", len(stalls))
		}
		if got := <-stalls; got.Job != "second" || !strings.Contains(string(got.Stack), "jobs_test.blocks") {
			t.Errorf("reported job %q, want second, and its stack:\n%s", got.Job, got.Stack)
		}
	}, opt)
}

// TestStartTellsAnOnReadyHost: the goroutine in the poller hears of a timer that
// is earlier than those it knew.
func TestStartTellsAnOnReadyHost(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		told := make(chan struct{}, 1)
		var calls atomic.Int64
		if err := s.OnReady(func() {
			calls.Add(1)
			select {
			case told <- struct{}{}:
			default:
			}
		}); err != nil {
			t.Fatal(err)
		}
		r, w := pipe(t)
		steps := 0
		mustStartNow(t, s, func(j jobs.Job) error {
			if err := j.Sleep(time.Millisecond); err != nil {
				return err
			}
			steps++
			sysWrite(w, []byte("x"))
			err := j.Wait(waitctx.FD(r), 0)
			steps++
			return err
		})
		patience := time.After(10 * time.Second)
		for steps < 2 {
			select {
			case <-told:
			case <-patience:
				t.Fatalf("not told of step %d", steps+1)
			}
			if _, err := s.RunOnce(0); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOnReadyAfterClose(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		s.Close()
		if err := s.OnReady(func() { t.Error("told of something after Close") }); err != jobs.ErrClosed {
			t.Errorf("OnReady() = %v after Close, want ErrClosed", err)
		}
	}) // which fails if a goroutine is left
}

// TestOnReadyHostIsToldOfWhatItDid: what a host does between turns, by Start or
// else, may give the next turn something to do that the goroutine in the poller
// does not know of, or be about a wait that nobody has awaited.
func TestOnReadyHostIsToldOfWhatItDid(t *testing.T) {
	type host struct {
		s    *jobs.Scheduler
		w    jobs.Watch // whose descriptor is readable, unawaited
		c    *jobs.Cond // that a job waits for, which then waits for another such, and steps
		fd   waitctx.FD // of both
		step func(jobs.Job) error
	}
	for name, do := range map[string]func(h host) error{
		"Start of another job's timer": func(h host) error {
			_, err := h.s.Start(func(jobs.Job) error {
				h.s.Go(func(j jobs.Job) error { return errors.Join(j.Sleep(time.Millisecond), h.step(j)) })
				return nil
			})
			return err
		},
		"Start of another job's wait": func(h host) error {
			_, err := h.s.Start(func(jobs.Job) error { h.c.Signal(); return nil })
			return err
		},
		"Watch": func(h host) error {
			wc := new(waitctx.WaitCtx)
			_, err := h.s.Watch(wc, h.step)
			return errors.Join(err, wc.Set("key", waitctx.Wait{FD: h.fd}))
		},
		"SetDeadline": func(h host) error {
			w, err := h.s.Watch(new(waitctx.WaitCtx), h.step)
			w.SetDeadline(time.Now().Add(time.Millisecond))
			return err
		},
		"SetFunc": func(h host) error { h.w.SetFunc(h.step); return nil },
		"Signal":  func(h host) error { h.c.Signal(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *jobs.Scheduler) {
				told := make(chan struct{}, 1)
				if err := s.OnReady(func() {
					select {
					case told <- struct{}{}:
					default:
					}
				}); err != nil {
					t.Fatal(err)
				}
				turn := func(patience time.Duration) bool {
					select {
					case <-told:
					case <-time.After(patience):
						return false
					}
					if _, err := s.RunOnce(0); err != nil {
						t.Fatal(err)
					}
					return true
				}
				r, w := pipe(t)
				sysWrite(w, []byte("x"))
				var wc waitctx.WaitCtx
				if err := wc.Set("key", waitctx.Wait{FD: waitctx.FD(r)}); err != nil {
					t.Fatal(err)
				}
				watch, err := s.Watch(&wc, nil)
				if err != nil {
					t.Fatal(err)
				}
				steps := 0
				step := func(jobs.Job) error { steps++; return nil }
				var c jobs.Cond
				s.Go(func(j jobs.Job) error {
					if err := j.WaitCtx().Set("key", waitctx.Wait{FD: waitctx.FD(r)}); err != nil {
						return err
					}
					return errors.Join(c.Wait(j), j.WaitKey("key"), step(j))
				})
				stats, unawaited := make(chan jobs.Stats, 1), uint64(0)
				for unawaited < 2 {
					go func() { stats <- s.Stats() }()
					for len(stats) == 0 {
						turn(time.Millisecond)
					}
					unawaited = (<-stats).Unawaited
				}
				for turn(20 * time.Millisecond) { // until it is at rest
				}
				if err := do(host{s, watch, &c, waitctx.FD(r), step}); err != nil {
					t.Fatal(err)
				}
				for steps == 0 {
					if !turn(10 * time.Second) {
						t.Fatal("not told")
					}
				}
			})
		})
	}
}

// TestRenew: the new job has nothing of the old one, whose handles are stale.
func TestRenew(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var old jobs.Job
		var wake jobs.Waker
		s.GoLow(func(j jobs.Job) error {
			old, wake = j, j.Waker()
			j.SetName("old")
			j.SetDeadline(time.Now().Add(-time.Second))
			ctx := j.Context()
			if err := j.Park(); err != os.ErrDeadlineExceeded {
				t.Errorf("Park() past the deadline = %v, want os.ErrDeadlineExceeded", err)
			}
			j.WaitCtx().Set("key", waitctx.Wait{FD: 7})
			j, err := j.Renew()
			if err != nil || !j.Valid() || old.Valid() || j == old || j.Name() != "" || ctx.Err() == nil {
				t.Errorf("Renew() = %v; Valid() = %v, of the old one %v, Name() = %q, the old context's Err() = %v, want nil, true, false, none, an error",
					err, j.Valid(), old.Valid(), j.Name(), ctx.Err())
			}
			if _, ok := j.WaitCtx().Get("key"); ok {
				t.Error("the new job has the old one's wait")
			}
			wake.Wake()
			old.Cancel(nil)
			if err := j.Sleep(time.Second); err != nil {
				t.Errorf("Sleep() of the new job = %v, want nil", err)
			}
			return nil
		})
		until(t, s)
		if st := statsOf(s); st.Started != 2 || st.LateWakes != 2 || st.Failed != 0 || st.Live != 0 {
			t.Errorf("Stats() = %+v, want 2 started, 2 late wakes, none failed, 0 live", st)
		}
		if _, err := old.Renew(); err != jobs.ErrStale {
			t.Errorf("Renew() of an ended job = %v, want ErrStale", err)
		}
	})
}

// TestRenewEndsTheJobOfAWatch: the watch may start its function again.
func TestRenewEndsTheJobOfAWatch(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, w := pipe(t)
		sysWrite(w, []byte("x"))
		wc := new(waitctx.WaitCtx)
		wc.Set("pipe", waitctx.Wait{FD: waitctx.FD(r)})
		started := 0
		var wakers []jobs.Waker
		watch, err := s.Watch(wc, func(j jobs.Job) error {
			if started++; started > 2 {
				return nil
			}
			j, err := j.Renew()
			wakers = append(wakers, j.Waker())
			return errors.Join(err, j.Park())
		})
		if err != nil {
			t.Fatal(err)
		}
		turns(t, s, func() bool { return started >= 2 })
		watch.Stop()
		for _, w := range wakers {
			w.Wake()
		}
		turns(t, s, idle(s))
	})
}

// TestRenewOutOfPlace: only the running job of a scheduler has a successor.
func TestRenewOutOfPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		paused := mustStartNow(t, s, func(j jobs.Job) error { return j.Park() })
		mustStartNow(t, s, func(j jobs.Job) error {
			if _, err := paused.Renew(); err != waitctx.ErrBusy {
				t.Errorf("Renew() of another job = %v, want ErrBusy", err)
			}
			return nil
		})
		paused.Waker().Wake()
		until(t, s)
		p := newPool(t, 1, 0)
		p.Start(nil, func(j jobs.Job) error {
			if _, err := j.Renew(); err != jobs.ErrNotLoop {
				t.Errorf("Renew() in a Pool = %v, want ErrNotLoop", err)
			}
			return nil
		})
		if _, err := (jobs.Job{}).Renew(); err != jobs.ErrNotLoop {
			t.Errorf("Renew() outside a job = %v, want ErrNotLoop", err)
		}
	})
}

// TestRenewKeepsThePriority: the successor of a low job lets others go first.
func TestRenewKeepsThePriority(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var order []string
		s.GoLow(func(j jobs.Job) error {
			j, err := j.Renew()
			if err != nil {
				return err
			}
			s.Go(func(jobs.Job) error { order = append(order, "high"); return nil })
			err = j.Sleep(0)
			order = append(order, "low")
			return err
		})
		until(t, s)
		if want := []string{"high", "low"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}
