package jobs

import (
	"context"
	"errors"
)

// Go starts fn as a job. It may be called from any goroutine, and returns
// before fn runs. After Close it returns the zero Job.
func (s *Scheduler) Go(fn func(Job) error) Job { return s.spawn(fn, false) }

// GoLow is Go at low priority: ready jobs go first, and few such steps run in
// one turn. It is meant for handshakes and other heavy work.
func (s *Scheduler) GoLow(fn func(Job) error) Job { return s.spawn(fn, true) }

func (s *Scheduler) spawn(fn func(Job) error, low bool) Job {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return Job{}
	}
	var t *task
	if n := len(s.free); n > 0 {
		t = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		t = newTask(s, nil)
	}
	t.fn, t.low = fn, low
	s.coming++
	j := Job{t, t.gen}
	s.postLocked(post{t: t, gen: t.gen, what: postStart})
	return j
}

// GoContext is Go for a job that is canceled, with the context's cause, when
// ctx is done. The job's own Context derives from ctx.
func (s *Scheduler) GoContext(ctx context.Context, fn func(Job) error) Job {
	return s.Go(func(j Job) error {
		j.t.parent = ctx
		stop := context.AfterFunc(ctx, func() { j.Cancel(context.Cause(ctx)) })
		defer stop()
		return fn(j)
	})
}

// Do runs fn as a job and waits until it has ended. It is for goroutines other
// than the loop's, which would wait for itself. The job is canceled when ctx is
// done, and Do returns once it has unwound. For that the loop must be running:
// without it Do does not return, not even when ctx is done. Its error is the job's,
// a *PanicError if that panicked, or ErrClosed if the scheduler is closed already.
func (s *Scheduler) Do(ctx context.Context, fn func(Job) error) error {
	if fn == nil {
		return errors.New("jobs: Do of a nil function")
	}
	done := make(chan error, 1)
	j := s.GoContext(ctx, func(j Job) (err error) {
		err = ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = newPanic(v)
			}
			done <- err
		}()
		return fn(j)
	})
	if j == (Job{}) {
		return ErrClosed
	}
	return <-done
}
