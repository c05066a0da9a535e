package jobs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller"
	"bide/poller/pollertest"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// readable waits for the descriptor by poll(2), as a host's loop would.
func readable(t *testing.T, fd waitctx.FD, timeout time.Duration) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(timeout/time.Millisecond))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

// nested returns a scheduler whose backend has a descriptor, and that.
func nested(t *testing.T) (*jobs.Scheduler, waitctx.FD) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	fd, ok := s.FD()
	if !ok {
		t.Fatal("FD() = false")
	}
	rest(t, s, fd)
	return s, fd
}

// rest runs turns until FD is not readable, which it is not for long.
func rest(t *testing.T, s *jobs.Scheduler, fd waitctx.FD) {
	t.Helper()
	for range 3 {
		s.RunOnce(0)
	}
	if readable(t, fd, 0) {
		t.Fatal("FD is readable with nothing to do")
	}
}

// TestFDIsReadableForEverything gives a host's loop one kind of work at a time.
func TestFDIsReadableForEverything(t *testing.T) {
	nestable(t, func(t *testing.T, s *jobs.Scheduler, fd waitctx.FD) {
		rest(t, s, fd)
		r, w := pipe(t)
		got := 0
		var wake jobs.Waker
		// settle runs turns as a host would, until FD is no longer readable.
		settle := func(what string, want int) {
			t.Helper()
			for end := time.Now().Add(10 * time.Second); got < want; {
				if !readable(t, fd, 10*time.Second) || time.Now().After(end) {
					t.Fatalf("%s: FD is not readable", what)
				}
				if _, err := s.RunOnce(0); err != nil {
					t.Fatal(err)
				}
			}
			rest(t, s, fd)
		}
		s.Go(func(j jobs.Job) error { got++; wake = j.Waker(); j.Park(); got++; return nil })
		settle("a new job", 1)
		go wake.Wake()
		settle("a wake", 2)
		s.Go(func(j jobs.Job) error {
			for range 5 { // runnable jobs remain after the turn
				j.Sleep(0)
			}
			got++
			j.Wait(waitctx.FD(r), 0)
			var b [1]byte
			unix.Read(r, b[:])
			got++
			return nil
		})
		settle("a runnable job", 3)
		unix.Write(w, []byte("x"))
		settle("an event", 4)
		go s.Post(func() { got++ })
		settle("a post", 5)
		s.Post(func() { panic("boom") })
		if v := panicOf(func() { s.RunOnce(0) }); v != "boom" {
			t.Errorf("RunOnce panicked with %v, want boom", v)
		}
		go s.Post(func() { got++ })
		settle("a post after a panic", 6)
	})
}

// TestFDAfterRun: a host that had the loop run by itself for a while watches FD
// again.
func TestFDAfterRun(t *testing.T) {
	nestable(t, func(t *testing.T, s *jobs.Scheduler, fd waitctx.FD) {
		rest(t, s, fd)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.Run(ctx); err != context.DeadlineExceeded {
			t.Fatalf("Run() = %v, want context.DeadlineExceeded", err)
		}
		s.Go(func(jobs.Job) error { return nil })
		if !readable(t, fd, 10*time.Second) {
			t.Error("FD is not readable with a job to start")
		}
	})
}

// TestNextTellsOfEverythingBesidesEvents: a host that sleeps until Next, or an
// event, misses nothing of what it does between turns.
// Asked for between turns FD is readable at once, if a turn has left something.
func TestFDOfALoopWithJobsToRun(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Go(func(j jobs.Job) error {
		for {
			if err := j.Sleep(0); err != nil {
				return err
			}
		}
	})
	if more, err := s.RunOnce(0); !more || err != nil {
		t.Fatalf("RunOnce() = %v, %v, want that there is more", more, err)
	}
	if fd, ok := s.FD(); ok && !readable(t, fd, 20*time.Second) {
		t.Error("FD is not readable with a job to run")
	}
}

func TestNextTellsOfEverythingBesidesEvents(t *testing.T) {
	s, _ := nested(t)
	next := func(what string, want bool) {
		t.Helper()
		at, ok := s.Next()
		if due := ok && !at.After(time.Now()); due != want {
			t.Errorf("%s: Next() = %v, %v; a turn is due: %v, want %v", what, at, ok, due, want)
		}
	}
	turn := func() {
		t.Helper()
		if _, err := s.RunOnce(0); err != nil {
			t.Fatal(err)
		}
	}
	next("nothing to do", false)
	var cond jobs.Cond
	s.Go(func(j jobs.Job) error { return cond.Wait(j) })
	next("a new job", true)
	turn()
	next("a job that waits", false)
	cond.Signal()
	next("a job that was signalled", true)
	turn()
	s.Go(func(j jobs.Job) error { return j.Sleep(time.Hour) })
	turn()
	next("a timer in an hour", false)
	if at, ok := s.Next(); !ok || time.Until(at) < 59*time.Minute {
		t.Errorf("Next() = %v, %v, want in an hour", at, ok)
	}
	r, _ := pipe(t)
	var wc waitctx.WaitCtx
	if _, err := s.Watch(&wc, nil); err != nil {
		t.Fatal(err)
	}
	wc.Set("key", waitctx.Wait{FD: waitctx.FD(r)})
	next("a watch with a wait", true)
	turn()
	next("the wait is registered", false)
	s.Post(func() {})
	next("a post", true)
	s.Close()
	next("closed", true)
}

// TestRunOnceReportsMore: until it does not, for hosts that are told of edges.
func TestRunOnceReportsMore(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		const waits = 300 // more than a turn takes
		woken := 0
		for fd := range waitctx.FD(waits) {
			s.Go(func(j jobs.Job) error {
				err := j.Wait(fd, 0)
				woken++
				return err
			})
			m.SetReady(fd, waitctx.ReadyIn)
		}
		if more, err := s.RunOnce(0); more || err != nil {
			t.Fatalf("RunOnce() = %v, %v with jobs that wait, want false, nil", more, err)
		}
		turn := 0
		for more := true; more; turn++ {
			var err error
			if more, err = s.RunOnce(0); err != nil || turn == 10 {
				t.Fatalf("turn %d: RunOnce() = %v, %v", turn, more, err)
			}
		}
		if woken != waits || s.Live() != 0 {
			t.Errorf("%d of %d jobs were woken in %d turns", woken, waits, turn)
		}
	})
}

// TestLiveCountsJobsOnTheirWay, so that a host may run turns while there are
// any, also if the last one leaves another behind.
func TestLiveCountsJobsOnTheirWay(t *testing.T) {
	s, _ := nested(t)
	ended := 0
	var next func(jobs.Job) error
	next = func(j jobs.Job) error {
		if ended++; ended < 5 {
			s.Go(next)
		}
		return nil
	}
	s.Go(next)
	for turn := 0; s.Live() > 0; turn++ {
		if s.Live() != 1 || turn == 10 {
			t.Fatalf("turn %d: Live() = %d after the end of %d jobs, want 1", turn, s.Live(), ended)
		}
		s.RunOnce(0)
	}
	if ended != 5 {
		t.Errorf("%d jobs have run, want 5", ended)
	}
}

// TestOnReady runs a scheduler from a host that only hears of it, over each
// backend, also those without a descriptor.
func TestOnReady(t *testing.T) {
	for _, name := range poller.Backends() {
		t.Run(name, func(t *testing.T) {
			s, err := jobs.New(jobs.WithBackend(name))
			if err != nil {
				t.Fatal(err)
			}
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
			if err := s.OnReady(func() {}); err == nil {
				t.Error("the second OnReady() = nil, want an error")
			}
			r, w := pipe(t)
			steps := 0
			s.Go(func(j jobs.Job) error {
				steps++
				j.Sleep(time.Millisecond)
				steps++
				for range 3 {
					j.Sleep(0)
				}
				steps++
				unix.Write(w, []byte("x"))
				err := j.Wait(waitctx.FD(r), 0)
				steps++
				return err
			})
			patience := time.After(10 * time.Second)
			for steps < 4 {
				select {
				case <-told:
				case <-patience:
					t.Fatalf("not told of step %d", steps+1)
				}
				if _, err := s.RunOnce(0); err != nil {
					t.Fatal(err)
				}
			}
			before := calls.Load()
			for quiet := false; !quiet; {
				s.RunOnce(0)
				select {
				case <-told:
				case <-time.After(20 * time.Millisecond):
					quiet = true
				}
				if n := calls.Load() - before; n > 5 {
					t.Fatalf("told %d times with nothing to do", n)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		})
	}
}
