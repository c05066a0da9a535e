package jobs_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"bide/jobs"
	"bide/poller"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// modelled opens pollers over models of other systems' kernels, by name.
var modelled = make(map[string]func(t testing.TB) poller.Poller)

// each runs the test on every backend of the system and on those modelled, or
// on the one that BIDE_POLLER names.
func each(t *testing.T, fn func(t *testing.T, s *jobs.Scheduler)) {
	names := slices.Concat(poller.Backends(), slices.Sorted(maps.Keys(modelled)))
	if name := os.Getenv("BIDE_POLLER"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			open := modelled[name]
			if open == nil {
				on(t, jobs.WithBackend(name), fn)
				return
			}
			p := open(t)
			defer p.Close()
			on(t, jobs.WithPoller(p), fn)
		})
	}
}

func on(t *testing.T, poller jobs.Option, fn func(t *testing.T, s *jobs.Scheduler)) {
	s, err := jobs.New(poller)
	if err != nil {
		t.Fatal(err)
	}
	fn(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if n := s.Live(); n != 0 {
		t.Errorf("Live() = %d after Close, want 0", n)
	}
}

// turns runs the scheduler until done reports true, for ten seconds at most.
func turns(t *testing.T, s *jobs.Scheduler, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("not done after 10 s")
		}
		if _, err := s.RunOnce(time.Second); err != nil {
			t.Fatalf("RunOnce() = %v", err)
		}
	}
}

func idle(s *jobs.Scheduler) func() bool { return func() bool { return s.Live() == 0 } }

func TestJobWaitsForPipe(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, w := pipe(t)
		var got [5]byte
		var err error
		done := false
		s.Go(func(j jobs.Job) error {
			err = j.Wait(waitctx.FD(r), waitctx.Readable)
			sysRead(r, got[:])
			done = true
			return err
		})
		s.Go(func(j jobs.Job) error {
			sysWrite(w, []byte("hello"))
			return nil
		})
		turns(t, s, func() bool { return done })
		if err != nil || string(got[:]) != "hello" {
			t.Errorf("Wait() = %v, read %q", err, got)
		}
	})
}

func TestRefusedDescriptorResumesWithError(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		var err error
		done := false
		s.Go(func(j jobs.Job) error {
			err = j.Wait(12345, waitctx.Readable)
			done = true
			return nil
		})
		turns(t, s, func() bool { return done })
		if !errors.Is(err, errBadFD) || !strings.Contains(err.Error(), "12345") {
			t.Errorf("Wait(12345) = %v, want EBADF, and the number", err)
		}
	})
}

// TestRefusedKey: also when it is asked once more, as the wait is gone.
func TestRefusedKey(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		s.Go(func(j jobs.Job) error {
			j.WaitCtx().Set("key", waitctx.Wait{FD: 12345})
			for range 2 {
				if err := j.WaitKey("key"); !errors.Is(err, errBadFD) {
					t.Errorf("WaitKey() = %v, want EBADF", err)
				}
			}
			return nil
		})
		turns(t, s, idle(s))
	})
}

func TestSleepIsNeverEarly(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		for _, d := range []time.Duration{0, 100 * time.Microsecond, 3 * time.Millisecond} {
			var took time.Duration
			done := false
			s.Go(func(j jobs.Job) error {
				begin := time.Now()
				err := j.Sleep(d)
				took, done = time.Since(begin), true
				return err
			})
			turns(t, s, func() bool { return done })
			if took < d {
				t.Errorf("Sleep(%v) took %v", d, took)
			}
		}
	})
}

func TestSleepForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var got error
		j := s.Go(func(j jobs.Job) error { got = j.Sleep(math.MaxInt64); return nil })
		time.Sleep(time.Second) // the end of the sleep is beyond what an int64 holds
		for range 3 {
			s.RunOnce(time.Hour)
		}
		if s.Live() != 1 {
			t.Fatalf("Sleep() = %v within hours, want none", got)
		}
		j.Cancel(nil)
		until(t, s)
		if got != jobs.ErrCanceled {
			t.Errorf("Sleep() = %v, want ErrCanceled", got)
		}
	})
}

func TestWakerWakesFromAnyGoroutine(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		const n = 1000
		woken := 0
		wakers := make(chan jobs.Waker, 1)
		back := make(chan struct{}, 1)
		j := s.Go(func(j jobs.Job) error {
			wakers <- j.Waker()
			for range n {
				if err := j.Park(); err != nil {
					return err
				}
				woken++
				back <- struct{}{}
			}
			return nil
		})
		_ = j
		var wg sync.WaitGroup
		wg.Go(func() {
			w := <-wakers
			for range n {
				w.Wake()
				<-back
			}
			w.Wake()
		})
		turns(t, s, func() bool { return woken == n && s.Live() == 0 })
		wg.Wait()
	})
}

func TestCancelReachesEveryKindOfWait(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, _ := pipe(t)
		var m jobs.Mutex
		m.TryLock()
		waits := map[string]func(j jobs.Job) error{
			"fd":    func(j jobs.Job) error { return j.Wait(waitctx.FD(r), 0) },
			"sleep": func(j jobs.Job) error { return j.Sleep(time.Hour) },
			"park":  func(j jobs.Job) error { return j.Park() },
			"mutex": func(j jobs.Job) error { return m.Lock(j) },
			"await": func(j jobs.Job) error {
				_, err := jobs.Await(j, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, nil
				})
				return err
			},
		}
		for name, wait := range waits {
			var got error
			j := s.Go(func(j jobs.Job) error { got = wait(j); return got })
			s.RunOnce(0)
			s.RunOnce(0)
			j.Cancel(nil)
			turns(t, s, idle(s))
			if got != jobs.ErrCanceled {
				t.Errorf("%s: canceled wait = %v, want ErrCanceled", name, got)
			}
		}
	})
}

func TestAwaitReturnsValue(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		sum := 0
		for i := range 200 {
			s.Go(func(j jobs.Job) error {
				v, err := jobs.Await(j, func(context.Context) (int, error) { return i, nil })
				sum += v
				return err
			})
		}
		s.RunOnce(0)
		turns(t, s, idle(s))
		if sum != 199*200/2 {
			t.Errorf("sum = %d, want %d", sum, 199*200/2)
		}
	})
}

// A function that ends its goroutine takes no place of those that Await runs on.
func TestAwaitAfterGoexit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		const n = 5
		var errs []error
		sum := 0
		for i := range n {
			s.Go(func(j jobs.Job) error {
				j.SetDeadline(time.Now().Add(time.Second))
				_, err := jobs.Await(j, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
				errs = append(errs, err)
				v, _ := jobs.Await(j, func(context.Context) (int, error) { return i, nil })
				sum += v
				return nil
			})
		}
		until(t, s)
		for i, err := range errs {
			if err != jobs.ErrGoexit {
				t.Errorf("Await() %d = %v of a function that called Goexit, want ErrGoexit", i, err)
			}
		}
		if sum != n*(n-1)/2 {
			t.Errorf("sum = %d after them, want %d", sum, n*(n-1)/2)
		}
	}, jobs.WithWorkers(1))
}

func TestWatchRestsWithoutAJob(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, w := pipe(t)
		var wc waitctx.WaitCtx
		cleaned := 0
		wc.Set(&wc, waitctx.Wait{FD: waitctx.FD(r), Cleanup: func(any, waitctx.Wait) { cleaned++ }})
		starts, read := 0, 0
		watch, err := s.Watch(&wc, func(j jobs.Job) error {
			starts++
			var b [1]byte
			n, _ := sysRead(r, b[:]) // one byte at a time: returns undrained
			read += n
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.RunOnce(0); err != nil || s.Live() != 0 {
			t.Fatalf("RunOnce() = %v with %d jobs, want none", err, s.Live())
		}
		sysWrite(w, []byte("abc"))
		turns(t, s, func() bool { return read == 3 })
		s.RunOnce(0)
		if starts != 3 || s.Live() != 0 {
			t.Errorf("starts = %d, Live() = %d, want 3, 0", starts, s.Live())
		}
		watch.Stop()
		watch.Stop()
		s.RunOnce(0)
		if cleaned != 1 {
			t.Errorf("cleanups = %d, want 1", cleaned)
		}
	})
}

func TestWatchDeadline(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, _ := pipe(t)
		var wc waitctx.WaitCtx
		wc.Set(&wc, waitctx.Wait{FD: waitctx.FD(r)})
		var reason error
		starts := 0
		watch, err := s.Watch(&wc, func(j jobs.Job) error { starts++; reason = j.Reason(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		watch.SetDeadline(time.Now().Add(time.Hour))
		watch.SetDeadline(time.Now().Add(time.Millisecond))
		turns(t, s, func() bool { return starts == 1 })
		if !errors.Is(reason, os.ErrDeadlineExceeded) {
			t.Errorf("Reason() = %v, want os.ErrDeadlineExceeded", reason)
		}
		watch.SetFunc(nil)
		watch.SetDeadline(time.Now().Add(time.Millisecond))
		var got error
		s.Go(func(j jobs.Job) error { got = watch.Wait(j); return nil })
		s.RunOnce(0)
		turns(t, s, idle(s))
		if !errors.Is(got, os.ErrDeadlineExceeded) {
			t.Errorf("Wait() = %v, want os.ErrDeadlineExceeded", got)
		}
		watch.Stop()
	})
}

func TestUndrainedUnawaitedWaitCostsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, w := pipe(t)
		r2, _ := pipe(t)
		sysWrite(w, []byte("x"))
		s.Go(func(j jobs.Job) error {
			if err := j.Wait(waitctx.FD(r), 0); err != nil {
				return err
			}
			return j.Wait(waitctx.FD(r2), 0) // r stays registered and ready
		})
		for range 5 {
			s.RunOnce(0)
		}
		before := s.Live()
		begin := time.Now()
		if _, err := s.RunOnce(30 * time.Millisecond); err != nil || before != 1 {
			t.Fatalf("RunOnce() = %v, live %d", err, before)
		}
		if took := time.Since(begin); took < 30*time.Millisecond {
			t.Errorf("the loop woke after %v for a wait nobody awaits", took)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		ctx, cancel := context.WithCancel(t.Context())
		s.Go(func(j jobs.Job) error { cancel(); return nil })
		if err := s.Run(ctx); err != context.Canceled {
			t.Errorf("Run() = %v, want context.Canceled", err)
		}
	})
}

func TestPanicAndGoexitLeaveTheLoop(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		ran := false
		s.Go(func(jobs.Job) error { panic("boom") })
		s.Go(func(jobs.Job) error { runtime.Goexit(); return nil })
		s.Go(func(jobs.Job) error { ran = true; return nil })
		s.RunOnce(0)
		if !ran || s.Live() != 0 {
			t.Errorf("ran = %v, Live() = %d", ran, s.Live())
		}
	})
}

// A deadline that moves later leaves its timer, which must then do nothing.
func TestWatchDeadlineMovesLater(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		r, _ := pipe(t)
		var wc waitctx.WaitCtx
		wc.Set(&wc, waitctx.Wait{FD: waitctx.FD(r)})
		starts := 0
		watch, err := s.Watch(&wc, func(jobs.Job) error { starts++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		early := time.Now().Add(time.Millisecond)
		watch.SetDeadline(early)
		watch.SetDeadline(early.Add(time.Hour))
		for time.Now().Before(early) {
			s.RunOnce(time.Until(early))
		}
		s.RunOnce(0)
		s.RunOnce(0)
		if starts != 0 {
			t.Errorf("the function was started %d times before its deadline", starts)
		}
		if at, ok := s.Next(); !ok || at.Before(early.Add(time.Minute)) {
			t.Errorf("Next() = %v, %v, want the later deadline", at, ok)
		}
		watch.Stop()
	})
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
			_, err := jobs.Await(j, func(context.Context) (byte, error) { return big[0], nil })
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
