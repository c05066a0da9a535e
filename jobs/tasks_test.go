package jobs_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
)

func TestTasksAreWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var ended []int
		var got error
		s.Go(func(j jobs.Job) error {
			g, err := jobs.NewTasks(j)
			if err != nil {
				return err
			}
			for i := range 3 {
				g.Go(func(j jobs.Job) error {
					err := j.Sleep(time.Duration(3-i) * time.Second)
					ended = append(ended, i)
					return err
				})
			}
			got = g.Wait()
			ended = append(ended, 100)
			return nil
		})
		until(t, s)
		if got != nil || !slices.Equal(ended, []int{2, 1, 0, 100}) {
			t.Errorf("Wait() = %v, ended in order %v, want nil, [2 1 0 100]", got, ended)
		}
	})
}

// The first error cancels the others, those not begun included; so does a
// panic, and a Goexit is an error too.
func TestFirstErrorCancelsTheOtherTasks(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return io.ErrShortWrite },
		"panic": func() error { panic(io.ErrShortWrite) },
	} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			var got, other, late error
			begin := time.Now()
			s.Go(func(j jobs.Job) error {
				g, _ := jobs.NewTasks(j)
				g.Go(func(j jobs.Job) error { other = j.Sleep(time.Hour); return other })
				g.Go(func(j jobs.Job) error { j.Sleep(time.Second); return fail() })
				got = g.Wait()
				if in := g.Go(func(jobs.Job) error { late = io.EOF; return nil }); in != (jobs.Job{}) {
					t.Errorf("%s: Go() after the error started a job", name)
				}
				return nil
			})
			until(t, s)
			if !errors.Is(got, io.ErrShortWrite) || other != jobs.ErrCanceled || late != nil {
				t.Errorf("%s: Wait() = %v, the other task got %v; want io.ErrShortWrite, ErrCanceled", name, got, other)
			}
			if took := time.Since(begin); took != time.Second {
				t.Errorf("%s: took %v, want a second", name, took)
			}
		}, jobs.WithErrors(func(string, error) {}))
	}
}

// A cancel of the owner goes inward, and Wait returns only when the tasks have
// unwound.
func TestCancelGoesInward(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		cause := errors.New("enough")
		var got error
		unwound := false
		owner := s.Go(func(j jobs.Job) error {
			g, _ := jobs.NewTasks(j)
			g.Go(func(j jobs.Job) error {
				err := j.Sleep(time.Hour)
				unwound = true
				return err
			})
			got = g.Wait()
			if !unwound {
				t.Error("Wait() returned before the task had ended")
			}
			return nil
		})
		s.RunOnce(0)
		s.RunOnce(0)
		owner.Cancel(cause)
		until(t, s)
		if got != cause {
			t.Errorf("Wait() = %v, want %v", got, cause)
		}
	})
}

func TestCloseEndsTasks(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		s.Go(func(j jobs.Job) error {
			g, _ := jobs.NewTasks(j)
			for range 10 {
				g.Go(jobs.Job.Park)
			}
			return g.Wait()
		})
		s.RunOnce(0)
		s.RunOnce(0)
		if err := s.Close(); err != nil || s.Live() != 0 {
			t.Errorf("Close() = %v with %d jobs live, want nil, 0", err, s.Live())
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
