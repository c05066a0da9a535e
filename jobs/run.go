package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"bide/waitctx"
)

// Run runs turns until ctx is done, the scheduler is closed or its poller fails. It
// returns the context's cause, nil after Close, or the poller's error. When ctx is
// done it only leaves the loop: jobs stay paused and connections open until Close,
// or until Run is called again. One goroutine at a time may be in it or in RunOnce
// (waitctx.ErrBusy).
func (s *Scheduler) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		if s.isClosed() {
			return nil
		}
		return waitctx.ErrBusy
	}
	defer s.leave()
	var done atomic.Bool // cheaper to ask than ctx
	stop := context.AfterFunc(ctx, func() {
		done.Store(true)
		s.poller.Wake()
	})
	defer stop()
	for !done.Load() {
		switch err := s.turn(-1); {
		case errors.Is(err, ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
	return context.Cause(ctx)
}

// RunOnce runs one turn: it waits up to timeout (negative: for ever; 0: not at
// all) for events, unless jobs are runnable, and runs what is ready. It reports
// whether the next turn may find more at once: runnable jobs remain, or there
// were events, of which a turn takes a bounded number. One goroutine at a time
// may be in it (waitctx.ErrBusy). After Close it returns ErrClosed.
func (s *Scheduler) RunOnce(timeout time.Duration) (more bool, err error) {
	if !s.running.CompareAndSwap(false, true) {
		return false, s.busy()
	}
	defer s.leave()
	if s.nested.Load() {
		s.asleep.Store(false)
	}
	events := s.stats.Events
	err = s.turn(timeout)
	runnable := s.runnables() > 0
	if timeout == 0 && !runnable && len(s.idle) > s.maxIdle { // as before a sleep of the loop's own
		s.trim(s.maxIdle)
	}
	return runnable || s.stats.Events != events, err
}

// busy is why a call cannot run the loop: another one does, or Close.
func (s *Scheduler) busy() error {
	if s.isClosed() {
		return ErrClosed
	}
	return waitctx.ErrBusy
}

// toHost leaves the loop to a host that sleeps elsewhere than in the poller.
func (s *Scheduler) toHost() {
	s.asleep.Store(true)
	if s.runnables() > 0 || s.posted.Load() {
		s.poller.Wake() // keeps FD readable
	}
	if s.ready != nil && !s.ready.waiting {
		s.ready.rearm()
	}
}

// leave ends a Run, a RunOnce or the like, also if a panic does. A closed scheduler's
// jobs are unwound here, since they belong to this thread if it is locked.
func (s *Scheduler) leave() {
	if s.dog != nil {
		s.dog.exit()
		s.dog.end()
	}
	switch {
	case s.posted.Load() && s.isClosed():
		defer s.vacate()
		s.unwind()
		return
	case s.nested.Load():
		s.toHost()
	}
	s.vacate()
}

// vacate lets somebody else in. A Close that waits for that goes on.
func (s *Scheduler) vacate() {
	s.running.Store(false)
	if s.posted.Load() {
		select {
		case s.left <- struct{}{}:
		default:
		}
	}
}
