package jobs

import (
	"errors"
	"time"

	"bide/waitctx"
)

func (s *Scheduler) runnables() int { return s.high.n + s.low.n }

// turn is one round of the loop. It calls the poller and the coroutines itself:
// every frame between a system call or a switch and the loop is one more return
// that the processor predicts wrongly, since both fill its return stack with
// their own.
func (s *Scheduler) turn(timeout time.Duration) error {
	if len(s.dirty) > 0 {
		s.flush()
	}
	n, err := 0, error(nil)
	if timeout != 0 || s.posted.Load() {
		if timeout, err = s.beforeWait(timeout); err != nil {
			return err
		}
	}
	if s.ready == nil {
		n, err = s.poller.Wait(s.events, timeout)
	} else {
		n, err = s.ready.take(timeout)
	}
	if timeout != 0 {
		s.asleep.Store(false)
	}
	switch {
	case n > 0:
		s.dispatch(n)
	case errors.Is(err, waitctx.ErrClosed):
		return ErrClosed
	case err != nil:
		return err
	}
	if s.dog != nil {
		s.dog.begin()
	}
	if s.posted.Load() {
		s.drainInbox()
	}
	if len(s.timers) > 0 {
		s.expireTimers()
	}
	low := min(lowPerTurn, s.low.n)
	s.from, s.budget = &s.high, s.high.n
	s.stats.Resumes += uint64(s.budget + low)
	if s.budget > 0 {
		s.high.first().expect() // and each of the others one ahead
	}
	for {
		if s.budget == 0 {
			if low == 0 {
				break
			}
			s.from, s.budget, low = &s.low, low, 0
		}
		t := s.beforeStep()
		if s.budget > 0 {
			s.from.first().expect()
		}
		t.next() // right here: see task.block
		if t = s.ran; t.state == stateDone || t.born == 0 {
			s.afterStep(t)
		}
	}
	s.afterTurn()
	return nil
}

// beforeWait returns how long the poller may wait.
func (s *Scheduler) beforeWait(timeout time.Duration) (time.Duration, error) {
	if timeout != 0 && s.runnables() > 0 {
		timeout = 0
	}
	if timeout != 0 && len(s.timers) > 0 {
		if d := s.untilTimer(); timeout < 0 || d < timeout {
			timeout = d
		}
	}
	if timeout != 0 {
		s.asleep.Store(true)
	}
	if s.posted.Load() {
		if s.isClosed() {
			return 0, ErrClosed
		}
		s.asleep.Store(false)
		return 0, nil
	}
	if timeout != 0 && len(s.idle) > s.maxIdle {
		s.trim(s.maxIdle)
	}
	return timeout, nil
}

// dispatch makes the jobs runnable that n events are for.
func (s *Scheduler) dispatch(n int) {
	s.stats.Events += uint64(n)
	for i := range n {
		ev := &s.events[i]
		if src := s.lookup(ev.Token); src != nil {
			src.ready(ev)
		} else {
			s.stats.Stale++
		}
	}
}

// afterTurn applies what the jobs changed, and keeps the books.
func (s *Scheduler) afterTurn() {
	if s.dog != nil {
		s.dog.exit()
	}
	if len(s.dirty) > 0 {
		s.flush()
	}
	if n := int64(len(s.tasks)); n != s.live.Load() {
		s.live.Store(n)
	}
	s.stats.Turns++
	if len(s.idle) > 0 && !s.trimmer.armed {
		s.trimmer.arm(s)
	}
	if s.dog != nil {
		s.dog.end()
	}
}

func (s *Scheduler) isClosed() bool { return s.closed.Load() }

// beforeStep takes the next job of the turn, which is to run until it pauses or
// ends. afterStep follows for the one that ran last: the coroutine of a job that
// ended may have gone on with others, see another.
func (s *Scheduler) beforeStep() *task {
	s.budget--
	t := s.from.pop()
	s.enter(t)
	return t
}

// enter has a task ready to be resumed.
func (s *Scheduler) enter(t *task) {
	if t.next == nil {
		s.lend(t)
	}
	if s.dog != nil {
		s.dog.enter(t)
	}
	s.ran, t.state = t, stateRunning
}

func (s *Scheduler) afterStep(t *task) {
	switch {
	case t.state == stateDone:
		s.giveBack(t.co)
		s.finish(t)
	case t.born == 0:
		t.born = s.now() + 1
	}
}
