package jobs

import (
	"context"
	"errors"
)

// What follows leads from goroutines, channels and contexts to jobs and back.

// GoContext is Go for a job that is cancelled, with the context's cause, when
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
// than the loop's, which would wait for itself. The job is cancelled when ctx is
// done, and Do returns once it has unwound. Its error is the job's, a *PanicError
// if that panicked, or ErrClosed if the scheduler is closed already.
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

// received is what came of a receive, if it is done.
type received[T any] struct {
	v        T
	ok, done bool
}

// Recv receives from a Go channel. While that is empty it pauses j, and has a
// goroutine receive in its place; ok is false if the channel is closed. Between jobs
// of one loop use a Chan, which needs no goroutine. When j is stopped meanwhile Recv
// returns why, unless a value was received by then: none is lost. Outside a job it
// is the receive itself.
func Recv[T any](j Job, ch <-chan T) (v T, ok bool, err error) {
	t, err := j.loop()
	switch {
	case j.t == nil:
		v, ok = <-ch
		return v, ok, nil
	case err != nil:
		return v, false, err
	}
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	if err := t.check(); err != nil {
		return v, false, err
	}
	result, stop := make(chan received[T], 1), make(chan struct{})
	go func() {
		var r received[T]
		select {
		case r.v, r.ok = <-ch:
			r.done = true
		case <-stop:
		}
		result <- r
		t.s.Post(func() {
			if t.gen == j.gen && t.on == onWork {
				t.s.wake(t, nil)
			}
		})
	}()
	for {
		if err := t.block(onWork); err != nil {
			close(stop)
			r := <-result // at once
			if r.done {
				return r.v, r.ok, nil
			}
			return v, false, err
		}
		select {
		case r := <-result:
			return r.v, r.ok, nil
		default: // the wake was for an earlier result that came too late
		}
	}
}
