//go:build libuv && cgo && unix

package main

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/waitctx"
)

// hosts runs a test on a goroutine that is locked to its thread, as C libraries
// may ask for, and on one that is not; other goroutines are busy meanwhile.
func hosts(t *testing.T, fn func(t *testing.T, locked bool)) {
	for name, locked := range map[string]bool{"locked": true, "free": false} {
		t.Run(name, func(t *testing.T) {
			_, shut := open(t) // libuv keeps a pipe for signals from its first loop on
			shut()
			fdtest.CheckGoroutines(t)
			fdtest.Check(t)
			stop := make(chan struct{})
			defer close(stop)
			for range 2 * runtime.GOMAXPROCS(0) {
				go func() {
					for {
						select {
						case <-stop:
							return
						default:
							runtime.Gosched()
						}
					}
				}()
			}
			if locked { // until the goroutine ends, and its thread with it
				runtime.LockOSThread()
			}
			fn(t, locked)
		})
	}
}

// open returns a host of a scheduler. The function closes both.
func open(t *testing.T) (*host, func()) {
	t.Helper()
	s, err := jobs.New(jobs.WithErrors(func(string, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHost(s)
	if err != nil {
		t.Fatal(err)
	}
	return h, func() {
		if err := h.close(); err != nil {
			t.Errorf("host.close() = %v, want nil", err)
		}
		if err := s.Close(); err != nil || s.Live() != 0 {
			t.Errorf("Close() = %v with %d jobs live, want nil, 0", err, s.Live())
		}
	}
}

// idle runs the loop until no job is left, for ten seconds at most.
func (h *host) idle(t *testing.T) (rounds int) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	late := time.AfterFunc(time.Until(end), func() { h.s.Post(func() {}) })
	defer late.Stop()
	if err := h.run(func() bool {
		rounds++
		return h.s.Live() == 0 || time.Now().After(end)
	}); err != nil {
		t.Fatal(err)
	}
	if h.s.Live() != 0 {
		t.Errorf("%d jobs live after 10 s", h.s.Live())
	}
	return rounds
}

// TestLoopIsShared: libuv's timer and jobs that wait in several ways.
func TestLoopIsShared(t *testing.T) {
	hosts(t, func(t *testing.T, locked bool) {
		h, shut := open(t)
		defer shut()
		r, w := fdtest.Pipe(t)
		const ticks = 20
		h.tick(w.Num(), ticks, time.Millisecond)
		got := 0
		var calls []int
		h.s.Go(func(j jobs.Job) error {
			for got < ticks {
				calls = append(calls, counted())
				if err := j.Wait(r.FD(), waitctx.Readable); err != nil {
					return err
				}
				got += len(r.Read(ticks))
			}
			return nil
		})
		steps := 0
		h.s.Go(func(j jobs.Job) error {
			waker := j.Waker()
			for _, wait := range []func() error{
				func() error { return j.Sleep(time.Millisecond) },
				func() error { return j.Sleep(0) },
				func() error { go waker.Wake(); return j.Park() },
				func() error {
					_, err := jobs.Await(j, func(context.Context) (int, error) { return 0, nil })
					return err
				},
			} {
				calls = append(calls, counted())
				if err := wait(); err != nil {
					t.Errorf("wait %d: %v", steps, err)
				}
				steps++
			}
			return nil
		})
		h.idle(t)
		if got != ticks || steps != 4 {
			t.Errorf("%d ticks and %d steps, want %d, 4", got, steps, ticks)
		}
		if first := calls[0]; locked {
			for i, n := range calls {
				if n != first+i {
					t.Fatalf("C counts %v calls of its thread: not each job runs on it", calls)
				}
			}
		}
	})
}

// TestLoopSleeps: between a job's timers there is nothing to do.
func TestLoopSleeps(t *testing.T) {
	hosts(t, func(t *testing.T, _ bool) {
		h, shut := open(t)
		defer shut()
		const sleeps = 5
		h.s.Go(func(j jobs.Job) error {
			for range sleeps {
				begin := time.Now()
				if j.Sleep(20 * time.Millisecond); time.Since(begin) < 20*time.Millisecond {
					t.Error("a sleep was short")
				}
			}
			return nil
		})
		if rounds := h.idle(t); rounds > 10*sleeps {
			t.Errorf("%d rounds of the loop for %d sleeps", rounds, sleeps)
		}
	})
}

// TestHostCloses: the jobs that are left unwind on the host's thread, and one
// that ends by Goexit does no harm there.
func TestHostCloses(t *testing.T) {
	hosts(t, func(t *testing.T, locked bool) {
		h, shut := open(t)
		var got error
		before, after := 0, 0
		h.s.Go(func(j jobs.Job) error {
			before = counted()
			got = j.Park()
			after = counted()
			return got
		})
		ran := false
		h.s.Go(func(j jobs.Job) error {
			j.Sleep(0)
			ran = true
			runtime.Goexit()
			return nil
		})
		if err := h.run(func() bool { return ran && h.s.Live() == 1 }); err != nil {
			t.Fatal(err)
		}
		shut()
		if !errors.Is(got, jobs.ErrClosed) || locked && after != before+1 {
			t.Errorf("Park() = %v, and C counts %d calls, then %d; want ErrClosed and one more", got, before, after)
		}
	})
}

// TestDemo runs what main does.
func TestDemo(t *testing.T) {
	hosts(t, func(t *testing.T, _ bool) {
		var out strings.Builder
		if err := demo(&out); err != nil || !strings.Contains(out.String(), "5 ticks") || !strings.Contains(out.String(), "5 times slept") {
			t.Errorf("demo() = %v with output %q", err, out.String())
		}
	})
}

// TestNoFD: a backend that cannot be nested is refused.
func TestNoFD(t *testing.T) {
	s, err := jobs.New(jobs.WithBackend("pollfd"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := newHost(s); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("newHost() = %v, want ErrUnsupported", err)
	}
}
