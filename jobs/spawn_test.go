//go:build unix

package jobs_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/waitctx"
)

// TestTasksLeaveNothing: of tasks that wait in different ways one fails, and all
// end before Wait returns.
func TestTasksLeaveNothing(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		ch := make(chan int)
		r, _ := pipe(t)
		waits := map[string]func(jobs.Job) error{
			"Wait":  func(j jobs.Job) error { return j.Wait(waitctx.FD(r), 0) },
			"Park":  jobs.Job.Park,
			"Sleep": func(j jobs.Job) error { return j.Sleep(time.Hour) },
			"Recv":  func(j jobs.Job) error { _, _, err := jobs.Recv(j, ch); return err },
			"Await": func(j jobs.Job) error {
				_, err := jobs.Await(j, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
				return err
			},
			"Wait of tasks": func(j jobs.Job) error {
				g, err := jobs.NewTasks(j)
				if err != nil {
					return err
				}
				g.Go(jobs.Job.Park)
				return g.Wait()
			},
		}
		canceled := 0
		var result error
		s.Go(func(j jobs.Job) error {
			g, err := jobs.NewTasks(j)
			if err != nil {
				return err
			}
			for name, wait := range waits {
				for range 5 {
					g.Go(func(j jobs.Job) error {
						err := wait(j)
						if err == jobs.ErrCanceled {
							canceled++
						} else {
							t.Errorf("%s: %v, want ErrCanceled", name, err)
						}
						return err
					})
				}
			}
			g.Go(func(j jobs.Job) error { j.Sleep(time.Millisecond); return io.ErrShortWrite })
			result = g.Wait()
			if canceled != 5*len(waits) {
				t.Errorf("Wait() returned when %d of %d tasks had ended", canceled, 5*len(waits))
			}
			return nil
		})
		turns(t, s, idle(s))
		if result != io.ErrShortWrite {
			t.Errorf("Wait() = %v, want io.ErrShortWrite", result)
		}
	})
}

// TestSelect: a job that awaits several waits is told each that fired, and the
// others stay registered.
func TestSelect(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		const pipes = 5
		var r, w [pipes]int
		for i := range pipes {
			r[i], w[i] = pipe(t)
		}
		var heard [pipes]int
		s.Go(func(j jobs.Job) error {
			for i := range pipes {
				if err := j.WaitCtx().Set(i, waitctx.Wait{FD: waitctx.FD(r[i])}); err != nil {
					return err
				}
			}
			for round := range 20 {
				first, second := round%pipes, (round+2)%pipes
				sysWrite(w[first], []byte("x"))
				sysWrite(w[second], []byte("x"))
				for got := 0; got < 2; {
					if err := j.Pause(); err != nil {
						return err
					}
					for key, ready := range j.Ready() {
						i := key.(int)
						if i != first && i != second || ready&waitctx.ReadyIn == 0 {
							t.Errorf("round %d: %d is ready for %v, want %d and %d", round, i, ready, first, second)
						}
						var b [1]byte
						if n, _ := sysRead(r[i], b[:]); n == 1 {
							heard[i]++
							got++
						}
					}
				}
			}
			return nil
		})
		turns(t, s, idle(s))
		if heard != [pipes]int{8, 8, 8, 8, 8} {
			t.Errorf("heard %v, want each 8 times", heard)
		}
	})
}

// TestRecvLosesNothing: jobs that receive are canceled while goroutines send.
func TestRecvLosesNothing(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		const values = 500
		ch := make(chan int)
		go func() {
			for i := range values {
				ch <- i
			}
			close(ch)
		}()
		seen, canceled := make([]int, values), 0
		s.Go(func(j jobs.Job) error {
			for ended := false; !ended; {
				in := s.Go(func(j jobs.Job) error {
					for {
						v, ok, err := jobs.Recv(j, ch)
						switch {
						case err != nil:
							canceled++
							return nil
						case !ok:
							ended = true
							return nil
						}
						seen[v]++
					}
				})
				for range rand.IntN(5) {
					j.Sleep(0)
				}
				in.Cancel(nil)
				for in.Valid() {
					j.Sleep(0)
				}
			}
			return nil
		})
		turns(t, s, idle(s))
		for v, n := range seen {
			if n != 1 {
				t.Errorf("%d was received %d times, with %d cancels", v, n, canceled)
			}
		}
	})
}

// TestContextsEndBothWays: what is canceled outside ends jobs and their
// contexts, and what is canceled inside ends what goroutines do for them.
func TestContextsEndBothWays(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	type key struct{}
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		outside, inside := errors.New("from outside"), errors.New("from inside")
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		var task, owner error
		s.GoContext(ctx, func(j jobs.Job) error {
			j.Context()
			g, err := jobs.NewTasks(j)
			if err != nil {
				return err
			}
			g.Go(func(j jobs.Job) error {
				go cancel(outside)
				in := j.Context()
				task = j.Park()
				if in.Value(key{}) != "value" || in.Err() == nil || jobs.FromContext(in) != j {
					t.Errorf("the task's context: %v, %v, job %v; want value, done, the task's", in.Value(key{}), in.Err(), jobs.FromContext(in))
				}
				return task
			})
			owner = g.Wait()
			return nil
		})
		turns(t, s, idle(s))
		if owner != outside || task != jobs.ErrCanceled {
			t.Errorf("the owner ends with %v, its task with %v, want %v, ErrCanceled", owner, task, outside)
		}

		told := make(chan error, 2)
		work := func(j jobs.Job) error {
			in := j.Context()
			go func() { // work for the job
				<-in.Done()
				told <- context.Cause(in)
			}()
			return j.Park()
		}
		j := s.Go(func(j jobs.Job) error {
			j.Context()
			g, err := jobs.NewTasks(j)
			if err != nil {
				return err
			}
			g.Go(work)
			work(j)
			g.Wait()
			return nil
		})
		go j.Cancel(inside)
		turns(t, s, idle(s))
		for range 2 {
			if cause := <-told; cause != inside {
				t.Errorf("the work was told %v, want %v", cause, inside)
			}
		}
	})
}
