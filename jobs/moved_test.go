package jobs_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"
	"weak"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// A Watch's deadline has passed and its function is about to begin, when a job takes
// the function away and moves or clears the deadline. What it said last holds.
func TestDeadlineMovedBeforeTheFunctionBegins(t *testing.T) {
	for _, to := range []time.Duration{0, time.Hour} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
			var wc waitctx.WaitCtx
			wc.Set("k", waitctx.Wait{FD: 5})
			w, err := s.Watch(&wc, func(jobs.Job) error { t.Error("the function began"); return nil })
			if err != nil {
				t.Fatal(err)
			}
			got := errors.New("nothing")
			s.Go(func(j jobs.Job) error {
				j.Sleep(time.Millisecond) // ends in the turn of the deadline, and before it
				w.SetFunc(nil)
				if to == 0 {
					w.SetDeadline(time.Time{})
				} else {
					w.SetDeadline(time.Now().Add(to))
				}
				got = w.Wait(j)
				return nil
			})
			s.RunOnce(0)
			w.SetDeadline(time.Now().Add(1500 * time.Microsecond))
			time.Sleep(10 * time.Millisecond)
			for range 4 {
				s.RunOnce(0)
			}
			m.SetReady(5, waitctx.ReadyIn)
			until(t, s)
			if got != nil {
				t.Errorf("moved to %v: Wait() = %v of what is ready, want nil", to, got)
			}
		})
	}
}

// A deadline that passed while a Watch had no function starts the one it gets.
func TestDeadlinePassedBeforeSetFunc(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		wc.Set("k", waitctx.Wait{FD: 5})
		w, err := s.Watch(&wc, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.SetDeadline(time.Now().Add(time.Millisecond))
		time.Sleep(2 * time.Millisecond)
		s.RunOnce(0)
		var reasons []error
		w.SetFunc(func(j jobs.Job) error { reasons = append(reasons, j.Reason()); return nil })
		for range 4 {
			s.RunOnce(0)
		}
		if len(reasons) != 1 || reasons[0] != os.ErrDeadlineExceeded {
			t.Errorf("started for %v, want once for the deadline", reasons)
		}
	})
}

// A Cleanup that panics keeps nobody else's waits from the poller.
func TestCleanupPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		s.Go(func(j jobs.Job) error {
			j.WaitCtx().Set(1, waitctx.Wait{FD: 5, Cleanup: func(any, waitctx.Wait) { panic("cleanup") }})
			j.Sleep(time.Millisecond)
			j.WaitCtx().Release(1)
			return j.Sleep(time.Millisecond)
		})
		got := errors.New("still waiting")
		s.Go(func(j jobs.Job) error {
			j.Sleep(time.Millisecond)
			j.WaitCtx().Set(2, waitctx.Wait{FD: 6})
			j.Sleep(time.Millisecond)
			j.WaitCtx().Set(3, waitctx.Wait{FD: 7})
			got = j.WaitKey(3)
			return nil
		})
		m.SetReady(7, waitctx.ReadyIn)
		panics := 0
		for range 20 {
			func() {
				defer func() {
					if recover() != nil {
						panics++
					}
				}()
				s.RunOnce(time.Millisecond)
			}()
		}
		if panics != 1 || got != nil {
			t.Errorf("%d panics and WaitKey() = %v of what is ready, want 1 and nil", panics, got)
		}
	})
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

// What a job waits for in vain before it is stopped does not count against it.
func TestStopCountsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var mu jobs.Mutex
		mu.TryLock()
		var wc waitctx.WaitCtx
		wc.Set("k", waitctx.Wait{FD: 5})
		var w jobs.Watch
		var in jobs.Job
		w, err := s.Watch(&wc, func(j jobs.Job) error {
			in = j
			w.Stop()
			for range 1000 {
				j.Pause()
			}
			return mu.Lock(j)
		})
		if err != nil {
			t.Fatal(err)
		}
		m.SetReady(5, waitctx.ReadyIn)
		for range 3 {
			s.RunOnce(0)
		}
		s.Post(mu.Unlock)
		in.Cancel(nil)
		until(t, s)
		if !mu.TryLock() {
			t.Error("the mutex went with a job that was ended by force in Lock")
		}
	})
}

// Who renews itself is not one of the Tasks any more.
func TestTasksLeaveTheRenewedAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		got := errors.New("nothing")
		s.Go(func(j jobs.Job) error {
			g, err := jobs.NewTasks(j)
			if err != nil {
				return err
			}
			g.Go(func(j jobs.Job) error {
				j, _ = j.Renew()
				got = j.Sleep(time.Millisecond)
				return nil
			})
			g.Go(func(jobs.Job) error { return errors.New("a task fails") })
			return g.Wait()
		})
		until(t, s)
		if got != nil {
			t.Errorf("Sleep() = %v in a renewed job, want nil", got)
		}
	})
}

// Deadlines without a monotonic reading are right after the clock was set.
func TestDeadlineAfterTheClockWasSet(t *testing.T) {
	s, err := jobs.New(jobs.WithPoller(pollertest.NewMemory()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobs.SetClockForward(s, time.Hour)
	s.Go(func(j jobs.Job) error {
		j.SetDeadline(time.Now().Add(time.Millisecond).Round(0))
		if err := j.Sleep(5 * time.Second); err != os.ErrDeadlineExceeded {
			t.Errorf("Sleep() = %v past a deadline by the wall clock, want %v", err, os.ErrDeadlineExceeded)
		}
		return nil
	})
	s.Go(func(j jobs.Job) error {
		j.SetDeadline(time.Now().Add(time.Minute).Round(0))
		if err := j.Sleep(time.Millisecond); err != nil {
			t.Errorf("Sleep() = %v before a deadline by the wall clock, want nil", err)
		}
		return nil
	})
	turns(t, s, idle(s))
}

// What Await has called is not kept.
func TestAwaitKeepsNothing(t *testing.T) {
	s, err := jobs.New(jobs.WithPoller(pollertest.NewMemory()), jobs.WithWorkers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var kept []weak.Pointer[[1 << 16]byte]
	for range 4 {
		s.Go(func(j jobs.Job) error {
			big := new([1 << 16]byte)
			kept = append(kept, weak.Make(big))
			_, err := jobs.Await(j, func(context.Context) (int, error) { return len(big), nil })
			return err
		})
	}
	turns(t, s, idle(s))
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		runtime.GC() // the worker may be about to return
		held := 0
		for _, p := range kept {
			if p.Value() != nil {
				held++
			}
		}
		if held == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d are held by a scheduler without jobs", held, len(kept))
		}
	}
}
