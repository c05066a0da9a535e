package jobs_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/poller"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// drive runs inner from a job of another scheduler, until that is stopped.
func drive(j jobs.Job, inner *jobs.Scheduler) error {
	fd, ok := inner.FD()
	if !ok {
		return errors.ErrUnsupported
	}
	for {
		if _, err := inner.RunOnce(0); err != nil {
			return err
		}
		next, _ := inner.Next() // the zero time is no deadline
		j.SetDeadline(next)
		err := j.Wait(fd, waitctx.Readable)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// TestSchedulerInsideAnother runs one over each backend from a job of one over
// each.
func TestSchedulerInsideAnother(t *testing.T) {
	for _, backend := range poller.Backends() {
		t.Run("in "+backend, func(t *testing.T) {
			nestable(t, func(t *testing.T, inner *jobs.Scheduler, _ waitctx.FD) {
				fdtest.CheckGoroutines(t)
				outer, err := jobs.New(jobs.WithBackend(backend))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var result, stopped error
				host := outer.Go(func(j jobs.Job) error {
					defer cancel()
					stopped = drive(j, inner)
					return nil
				})
				inner.Go(func(j jobs.Job) error {
					result = everyWait(t, func(string) {})(j)
					host.Cancel(nil)
					return nil
				})
				if err := outer.Run(ctx); err != context.Canceled || inner.Live() != 0 || outer.Live() != 0 {
					t.Errorf("Run() = %v with %d jobs live inside, %d outside, want context.Canceled, 0, 0", err, inner.Live(), outer.Live())
				}
				if result != nil || stopped != jobs.ErrCanceled {
					t.Errorf("the inner job's result is %v, the outer's %v, want nil, ErrCanceled", result, stopped)
				}
				if err := outer.Close(); err != nil {
					t.Errorf("Close() = %v, want nil", err)
				}
			})
		})
	}
}

// TestHowDeepSchedulersNest: the kernel follows five epoll sets into each other,
// of which a level takes two. What is deeper is refused, and not lost.
func TestHowDeepSchedulersNest(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	const most = 3
	for depth := 1; depth <= most+1; depth++ {
		r, w := pipe(t)
		unix.Write(w, []byte("x"))
		ran, refused := false, error(nil)
		var all []*jobs.Scheduler // from inside out
		for level := range depth {
			s, err := jobs.New(jobs.WithBackend("epoll"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
			s.Go(func(j jobs.Job) error {
				if level == 0 {
					ran = j.Wait(waitctx.FD(r), 0) == nil
				} else if err := drive(j, all[level-1]); errors.Is(err, unix.ELOOP) {
					refused = err
				}
				return nil
			})
		}
		turns(t, all[depth-1], func() bool { return ran || refused != nil })
		if ran != (depth <= most) {
			t.Errorf("%d deep: the innermost job ran: %v, refused with %v; want %v", depth, ran, refused, depth <= most)
		}
		for _, s := range slices.Backward(all) {
			if err := s.Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		}
	}
}
