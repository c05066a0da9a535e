package jobs_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// A handle is its job's. What another job does with it fails there, and the job
// whose handle it is notices nothing.
func TestAnothersHandleCannotPause(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var m jobs.Mutex
		m.TryLock()
		ch := jobs.NewChan[int](1)
		wc := new(waitctx.WaitCtx)
		wc.Set("key", waitctx.Wait{FD: 9})
		w, err := s.Watch(wc, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, wait := range map[string]func(a jobs.Job, tasks *jobs.Tasks) error{
			"wait":    func(a jobs.Job, _ *jobs.Tasks) error { return a.Wait(7, 0) },
			"pause":   func(a jobs.Job, _ *jobs.Tasks) error { return a.Pause() },
			"sleep":   func(a jobs.Job, _ *jobs.Tasks) error { return a.Sleep(time.Millisecond) },
			"park":    func(a jobs.Job, _ *jobs.Tasks) error { return a.Park() },
			"mutex":   func(a jobs.Job, _ *jobs.Tasks) error { return m.Lock(a) },
			"receive": func(a jobs.Job, _ *jobs.Tasks) error { _, err := ch.Recv(a); return err },
			"watch":   func(a jobs.Job, _ *jobs.Tasks) error { return w.Wait(a) },
			"tasks":   func(_ jobs.Job, tasks *jobs.Tasks) error { return tasks.Wait() },
			"await": func(a jobs.Job, _ *jobs.Tasks) error {
				_, err := jobs.Await(a, func(context.Context) (int, error) { return 0, nil })
				return err
			},
		} {
			var got error
			began := time.Now()
			s.Go(func(a jobs.Job) error {
				tasks, err := jobs.NewTasks(a)
				if err != nil {
					return err
				}
				tasks.Go(func(jobs.Job) error { got = wait(a, tasks); return nil })
				if err := a.Sleep(time.Second); err != nil || time.Since(began) != time.Second {
					t.Errorf("%s: the other's Sleep(1s) = %v after %v", name, err, time.Since(began))
				}
				return tasks.Wait()
			})
			until(t, s)
			if !errors.Is(got, waitctx.ErrBusy) {
				t.Errorf("%s by another's handle = %v, want ErrBusy", name, got)
			}
		}
	})
}

// Nor does one that was woken and is about to run: it was handed the lock.
func TestPauseByTheHandleOfAReadyJob(t *testing.T) {
	var failed error
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var m jobs.Mutex
		m.TryLock()
		got := io.EOF
		a := s.Go(func(a jobs.Job) error { got = m.Lock(a); return nil })
		s.RunOnce(0)
		s.Go(func(jobs.Job) error {
			m.Unlock()
			return a.Pause()
		})
		until(t, s)
		if got != nil || m.TryLock() {
			t.Errorf("Lock() = %v, want nil, and the lock held", got)
		}
		if !errors.Is(failed, waitctx.ErrBusy) {
			t.Errorf("the other job failed with %v, want ErrBusy", failed)
		}
	}, jobs.WithErrors(func(_ string, err error) { failed = err }))
}

// A function that readiness was to start, and that was replaced before it began, is
// not started; nor is one whose Watch was stopped.
func TestSetFuncBeforeTheFunctionBegins(t *testing.T) {
	for _, tc := range []struct {
		name string
		undo func(w jobs.Watch, other func(jobs.Job) error)
		want string
	}{
		{"nil", func(w jobs.Watch, _ func(jobs.Job) error) { w.SetFunc(nil) }, ""},
		{"another", func(w jobs.Watch, other func(jobs.Job) error) { w.SetFunc(other) }, "other"},
		{"stopped", func(w jobs.Watch, _ func(jobs.Job) error) { w.Stop() }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
				ran := ""
				named := func(name string) func(jobs.Job) error {
					return func(jobs.Job) error { ran += name; m.SetReady(1, 0); return nil }
				}
				var w jobs.Watch
				s.Go(func(j jobs.Job) error {
					err := j.Wait(2, 0)
					tc.undo(w, named("other"))
					return err
				})
				s.RunOnce(0) // so that the poller tells of it first
				wc := new(waitctx.WaitCtx)
				wc.Set("key", waitctx.Wait{FD: 1})
				var err error
				if w, err = s.Watch(wc, named("first")); err != nil {
					t.Fatal(err)
				}
				s.RunOnce(0)
				m.SetReady(2, waitctx.ReadyIn) // the job, and in the same turn
				m.SetReady(1, waitctx.ReadyIn) // the function
				until(t, s)
				if s.RunOnce(0); ran != tc.want {
					t.Errorf("ran %q, want %q", ran, tc.want)
				}
			})
		})
	}
}

// A function that takes the place of one that was to begin for the deadline begins for
// it.
func TestSetFuncPassesTheDeadlineOn(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		wc := new(waitctx.WaitCtx)
		wc.Set("key", waitctx.Wait{FD: 1})
		w, err := s.Watch(wc, func(jobs.Job) error { t.Error("the function ran"); return nil })
		if err != nil {
			t.Fatal(err)
		}
		var got []error
		s.Go(func(j jobs.Job) error {
			w.SetDeadline(time.Now().Add(time.Second))
			if err := j.Wait(2, 0); err != nil {
				return err
			}
			w.SetFunc(nil)
			j.Sleep(time.Second)
			w.SetFunc(func(j jobs.Job) error { got = append(got, j.Reason()); return nil })
			return nil
		})
		s.RunOnce(0)
		time.Sleep(time.Second)
		m.SetReady(2, waitctx.ReadyIn) // the job runs first, in the turn of the deadline
		until(t, s)
		until(t, s)
		if !slices.Equal(got, []error{os.ErrDeadlineExceeded}) {
			t.Errorf("the next function was started for %v, want for the deadline once", got)
		}
	})
}

// A job that awaits a wait by its key hears that it is gone, and nothing of what
// takes its place.
func TestWaitKeyOfAWaitThatGoes(t *testing.T) {
	for name, end := range map[string]func(wc *waitctx.WaitCtx){
		"release":         func(wc *waitctx.WaitCtx) { wc.Release("key") },
		"clear":           func(wc *waitctx.WaitCtx) { wc.Clear("key") },
		"replace":         func(wc *waitctx.WaitCtx) { wc.Replace("key", waitctx.Wait{FD: 2}) },
		"place taken":     func(wc *waitctx.WaitCtx) { wc.Clear("key"); wc.Set("other", waitctx.Wait{FD: 2}) },
		"same descriptor": func(wc *waitctx.WaitCtx) { wc.Clear("key"); wc.Set("key", waitctx.Wait{FD: 1}) },
	} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
			m.SetReady(2, waitctx.ReadyIn)
			var got error
			wc := new(waitctx.WaitCtx)
			wc.Set("key", waitctx.Wait{FD: 1})
			wc.Set("start", waitctx.Wait{FD: 3})
			if _, err := s.Watch(wc, func(j jobs.Job) error {
				m.SetReady(3, 0)
				if err := j.WaitKey("key"); got == nil {
					got = err
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			s.RunOnce(0)
			m.SetReady(3, waitctx.ReadyIn)
			s.RunOnce(0)
			s.Go(func(jobs.Job) error { end(wc); return nil })
			for range 5 {
				s.RunOnce(0)
			}
			if got != jobs.ErrCanceled {
				t.Errorf("%s: WaitKey() = %v, want ErrCanceled", name, got)
			}
		})
	}
}

// The same before the poller has heard of the wait, whose place is free at once.
func TestWaitKeyOfAWaitThatGoesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		m.SetReady(2, waitctx.ReadyIn)
		var got error
		var wc *waitctx.WaitCtx
		s.Go(func(j jobs.Job) error {
			wc = j.WaitCtx()
			wc.Set("key", waitctx.Wait{FD: 1})
			got = j.WaitKey("key")
			return nil
		})
		s.Go(func(jobs.Job) error {
			wc.Clear("key")
			return wc.Set("other", waitctx.Wait{FD: 2})
		})
		until(t, s)
		if got != jobs.ErrCanceled {
			t.Errorf("WaitKey() = %v, want ErrCanceled", got)
		}
	})
}

// Pause tells of waits that were refused while the job waited for something else,
// and of the second of two.
func TestPauseTellsWhatWasRefusedBefore(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		s.Go(func(j jobs.Job) error {
			wc := j.WaitCtx()
			for round, elsewhere := range []func() error{
				func() error { wc.Set("one", waitctx.Wait{FD: 12345}); return j.Sleep(time.Millisecond) },
				func() error {
					wc.Set("one", waitctx.Wait{FD: 12345})
					wc.Set("two", waitctx.Wait{FD: 12346})
					if err := j.Pause(); !errors.Is(err, errBadFD) {
						t.Errorf("first Pause() = %v, want EBADF", err)
					}
					return nil
				},
			} {
				if err := elsewhere(); err != nil {
					return err
				}
				j.SetDeadline(time.Now().Add(10 * time.Second))
				if err := j.Pause(); !errors.Is(err, errBadFD) {
					t.Errorf("round %d: Pause() = %v, want EBADF", round, err)
				}
				j.SetDeadline(time.Time{})
			}
			return nil
		})
		turns(t, s, idle(s))
	})
}

// So do a Watch without a function, and the function that it gets afterwards.
func TestWatchTellsWhatWasRefusedBefore(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		watch := func() jobs.Watch {
			wc := new(waitctx.WaitCtx)
			wc.Set("key", waitctx.Wait{FD: 12345})
			w, err := s.Watch(wc, nil)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		waited, called := watch(), watch()
		s.Go(func(j jobs.Job) error {
			if err := j.Sleep(time.Millisecond); err != nil {
				return err
			}
			called.SetFunc(func(j jobs.Job) error {
				if err := j.Reason(); !errors.Is(err, errBadFD) {
					t.Errorf("the function's Reason is %v, want EBADF", err)
				}
				called = jobs.Watch{}
				return nil
			})
			j.SetDeadline(time.Now().Add(10 * time.Second))
			if err := waited.Wait(j); !errors.Is(err, errBadFD) {
				t.Errorf("Wait() = %v, want EBADF", err)
			}
			return nil
		})
		busy := watch() // and one that is under way meanwhile
		again := 0
		busy.SetFunc(func(j jobs.Job) error {
			if again++; again == 1 {
				if err := j.Reason(); !errors.Is(err, errBadFD) {
					t.Errorf("Reason() = %v, want EBADF", err)
				}
				j.WaitCtx().Set("another", waitctx.Wait{FD: 12346})
				return j.Sleep(time.Millisecond)
			}
			return nil
		})
		turns(t, s, func() bool { return s.Live() == 0 && again > 0 })
		if again != 2 {
			t.Errorf("the function ran %d times, want a second time for what was refused meanwhile", again)
		}
		if called != (jobs.Watch{}) {
			t.Error("the function was not started")
		}
	})
}

// What was ready unawaited and is gone is forgotten, or each event would look
// through all of it.
func TestQuietWaitsThatAreGone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		m.SetReady(2, waitctx.ReadyIn)
		s.Go(func(j jobs.Job) error {
			for range 100 {
				j.WaitCtx().Set("ready", waitctx.Wait{FD: 2})
				if err := j.Sleep(time.Millisecond); err != nil {
					return err
				}
				j.WaitCtx().Clear("ready")
			}
			if n := jobs.Quiet(j); n > 3 { // as places are used again only once a delete was acknowledged
				t.Errorf("%d waits are remembered, want 3 at most", n)
			}
			return nil
		})
		until(t, s)
	})
}

// A panic of the function of WithErrors reaches whoever runs the loop, once, and
// the loop goes on.
func TestErrorsFunctionPanics(t *testing.T) {
	if _, err := jobs.New(jobs.WithErrors(nil)); err == nil {
		t.Error("New(WithErrors(nil)) = nil, want an error")
	}
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		s.Go(func(jobs.Job) error { return io.EOF })
		func() {
			defer func() {
				if v := recover(); v != io.EOF {
					t.Errorf("RunOnce panicked with %v, want io.EOF", v)
				}
			}()
			s.RunOnce(0)
		}()
		if _, err := s.RunOnce(0); err != nil || s.Live() != 0 {
			t.Errorf("then RunOnce() = %v with %d jobs live, want nil and none", err, s.Live())
		}
	}, jobs.WithErrors(func(_ string, err error) { panic(err) }))
}

// Who would run the loop while another goroutine closes it hears that it is closed.
func TestCallsDuringClose(t *testing.T) {
	s, err := jobs.New(jobs.WithPoller(pollertest.NewMemory()))
	if err != nil {
		t.Fatal(err)
	}
	in, out, closed := make(chan bool), make(chan bool), make(chan error)
	s.Go(func(j jobs.Job) error {
		j.Park()
		close(in) // in Close, on its goroutine
		<-out
		return nil
	})
	s.RunOnce(0)
	go func() { closed <- s.Close() }()
	<-in
	_, turn := s.RunOnce(0)
	_, start := s.Start(func(jobs.Job) error { return nil })
	for call, err := range map[string]error{"RunOnce": turn, "Start": start, "OnReady": s.OnReady(func() {})} {
		if err != jobs.ErrClosed {
			t.Errorf("%s() = %v, want ErrClosed", call, err)
		}
	}
	if err := s.Run(t.Context()); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	close(out)
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// A Watch of a closed scheduler would never end: it takes no context any more.
func TestWatchAfterClose(t *testing.T) {
	m := pollertest.NewMemory()
	s, err := jobs.New(jobs.WithPoller(m))
	if err != nil {
		t.Fatal(err)
	}
	var during error
	s.Go(func(j jobs.Job) error {
		j.Park()
		var wc waitctx.WaitCtx
		_, during = s.Watch(&wc, nil) // is closed with the rest
		return nil
	})
	var last, late waitctx.WaitCtx
	inCleanup := error(nil)
	last.Set("k", waitctx.Wait{FD: 6, Cleanup: func(any, waitctx.Wait) { _, inCleanup = s.Watch(&late, nil) }})
	if _, err := s.Watch(&last, nil); err != nil {
		t.Fatal(err)
	}
	s.RunOnce(0)
	s.Close()
	if inCleanup != jobs.ErrClosed {
		t.Errorf("Watch() = %v in a Cleanup during Close, want ErrClosed", inCleanup)
	}
	var wc waitctx.WaitCtx
	wc.Set("k", waitctx.Wait{FD: 5})
	if _, err := s.Watch(&wc, nil); err != jobs.ErrClosed || during != nil {
		t.Errorf("Watch() = %v after Close and %v during it, want ErrClosed and nil", err, during)
	}
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		if _, err := s.Watch(&wc, nil); err != nil {
			t.Errorf("then another's Watch() = %v, want nil: the context is free", err)
		}
	})
}
