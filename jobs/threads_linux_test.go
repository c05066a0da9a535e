package jobs_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// locked runs fn on a goroutine that is locked to its thread, which it is told,
// while others are busy: without the lock it would not stay on that.
func locked(t *testing.T, fn func(thread int)) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	wg.Go(func() {
		defer close(stop)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		fn(unix.Gettid())
	})
	wg.Wait()
}

// everyWait is a job that pauses in each way there is, and calls here between.
func everyWait(t *testing.T, here func(what string)) func(jobs.Job) error {
	r, w := pipe(t)
	return func(j jobs.Job) error {
		defer here("the end")
		here("the start")
		var mu jobs.Mutex
		ch := make(chan int)
		wake := j.Waker()
		for _, wait := range []struct {
			name string
			fn   func() error
		}{
			{"Sleep", func() error { return j.Sleep(time.Millisecond) }},
			{"Sleep(0)", func() error { return j.Sleep(0) }},
			{"Wait", func() error {
				go unix.Write(w, []byte("x"))
				err := j.Wait(waitctx.FD(r), 0)
				var b [1]byte
				unix.Read(r, b[:])
				return err
			}},
			{"Park", func() error { go wake.Wake(); return j.Park() }},
			{"Await", func() error {
				_, err := jobs.Await(j, func(context.Context) (int, error) { return 0, nil })
				return err
			}},
			{"Recv", func() error {
				go func() { ch <- 1 }()
				_, _, err := jobs.Recv(j, ch)
				return err
			}},
			{"Lock", func() error {
				mu.TryLock()
				j.Scheduler().Go(func(jobs.Job) error { here("another job"); mu.Unlock(); return nil })
				return mu.Lock(j)
			}},
			{"Tasks", func() error {
				g, err := jobs.NewTasks(j)
				if err != nil {
					return err
				}
				g.Go(func(j jobs.Job) error { here("a task"); return j.Sleep(0) })
				return g.Wait()
			}},
		} {
			if err := wait.fn(); err != nil {
				return errors.Join(errors.New(wait.name), err)
			}
			here(wait.name)
		}
		return nil
	}
}

// TestLockedLoop: jobs stay on the thread of their loop, also while they unwind
// because another goroutine closes the scheduler; those that end badly too.
func TestLockedLoop(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	s, err := jobs.New(jobs.WithErrors(func(string, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	locked(t, func(thread int) {
		here := func(what string) {
			if id := unix.Gettid(); id != thread {
				t.Errorf("%s: on thread %d, want the loop's, %d", what, id, thread)
			}
		}
		var result error
		closed := make(chan error, 1)
		s.Go(func(j jobs.Job) error {
			defer here("unwinding")
			return j.Park()
		})
		s.Go(func(jobs.Job) error { defer here("a panic"); panic("boom") })
		s.Go(func(j jobs.Job) error {
			defer here("a Goexit")
			j.Sleep(0)
			runtime.Goexit()
			return nil
		})
		s.Go(func(j jobs.Job) error {
			result = everyWait(t, here)(j)
			go func() { closed <- s.Close() }()
			return nil
		})
		if err := s.Run(t.Context()); err != nil || result != nil {
			t.Errorf("Run() = %v, the job's result %v, want nil, nil", err, result)
		}
		if err := <-closed; err != nil || s.Live() != 0 {
			t.Errorf("Close() = %v with %d jobs live, want nil, 0", err, s.Live())
		}
	})
}

// TestLockedHost: the same with turns run by a host, which closes.
func TestLockedHost(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	locked(t, func(thread int) {
		s, err := jobs.New()
		if err != nil {
			t.Error(err)
			return
		}
		fd, _ := s.FD()
		here := func(what string) {
			if id := unix.Gettid(); id != thread {
				t.Errorf("%s: on thread %d, want the host's, %d", what, id, thread)
			}
		}
		s.Go(func(j jobs.Job) error { defer here("unwinding"); return j.Park() })
		done, result := false, error(nil)
		s.Go(func(j jobs.Job) error { result = everyWait(t, here)(j); done = true; return nil })
		for !done {
			timeout := 10 * time.Second
			if at, ok := s.Next(); ok {
				timeout = time.Until(at) + time.Millisecond
			}
			readable(t, fd, max(timeout, 0))
			if _, err := s.RunOnce(0); err != nil {
				t.Error(err)
				return
			}
		}
		if err := s.Close(); err != nil || result != nil {
			t.Errorf("Close() = %v, the job's result %v, want nil, nil", err, result)
		}
	})
}

// TestLockedPool: Start, Resume and Close, by one goroutine.
func TestLockedPool(t *testing.T) {
	fdtest.CheckGoroutines(t)
	locked(t, func(thread int) {
		pool, err := jobs.NewPool(0, 2)
		if err != nil {
			t.Error(err)
			return
		}
		steps := 0
		body := func(end func() error) func(jobs.Job) error {
			return func(j jobs.Job) error {
				defer func() {
					steps++
					if id := unix.Gettid(); id != thread {
						t.Errorf("a job is on thread %d, want %d", id, thread)
					}
				}()
				if err := j.Pause(); err != nil {
					return err
				}
				return end()
			}
		}
		for _, end := range []func() error{
			func() error { return io.EOF },
			func() error { panic("boom") },
			func() error { runtime.Goexit(); return nil },
		} {
			j, status, err := pool.Start(nil, body(end))
			if status != jobs.Paused || err != nil {
				t.Errorf("Start() = %v, %v, want Paused, nil", status, err)
			}
			if status, err := j.Resume(); status != jobs.Finished || err == nil {
				t.Errorf("Resume() = %v, %v, want Finished, an error", status, err)
			}
		}
		pool.Start(nil, body(nil)) // unwound by Close
		if err := pool.Close(); err != nil || steps != 4 {
			t.Errorf("Close() = %v after the end of %d jobs, want nil, 4", err, steps)
		}
	})
}
