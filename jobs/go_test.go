package jobs_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
)

func TestContextCancelsAJob(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		type key struct{}
		cause := errors.New("the request is over")
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		var got error
		var inner context.Context
		s.GoContext(ctx, func(j jobs.Job) error {
			inner = j.Context()
			if jobs.FromContext(inner) != j || inner.Value(key{}) != "value" {
				t.Errorf("Context() leads to job %v and %v, want %v and value", jobs.FromContext(inner), inner.Value(key{}), j)
			}
			got = j.Sleep(time.Hour)
			return got
		})
		s.RunOnce(0)
		cancel(cause)
		synctest.Wait()
		until(t, s)
		if got != cause || inner.Err() == nil {
			t.Errorf("Sleep() = %v, the job's context %v; want %v, done", got, inner.Err(), cause)
		}
	})
}

func TestDoReturnsTheJobsError(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		running, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(running) }()
		if err := s.Do(t.Context(), func(j jobs.Job) error { j.Sleep(time.Second); return io.EOF }); err != io.EOF {
			t.Errorf("Do() = %v, want io.EOF", err)
		}
		var p *jobs.PanicError
		if err := s.Do(t.Context(), func(jobs.Job) error { panic("boom") }); !errors.As(err, &p) || p.Value != "boom" {
			t.Errorf("Do() = %v, want the panic", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Do(ctx, jobs.Job.Park); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do() = %v, want context.DeadlineExceeded", err)
		}
		stop()
		<-ended
		s.Close()
		if err := s.Do(t.Context(), jobs.Job.Park); err != jobs.ErrClosed {
			t.Errorf("Do() after Close = %v, want ErrClosed", err)
		}
	}, jobs.WithErrors(func(string, error) {}))
}
