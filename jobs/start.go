package jobs

import (
	"errors"

	"bide/waitctx"
)

// stepsPerStart bounds how many steps of jobs a Start goes on for.
const stepsPerStart = 128

// Start runs fn as a job at once, where Go would have it wait for a turn, until
// it returns or waits for something that is not there yet. It is a turn for that
// job and for those it makes runnable, and does not ask the poller. The handle
// says whether the job has ended (Valid); if not it goes on in later turns.
//
// Start is for hosts that call RunOnce, in between. In a job, or while a turn is
// under way, it returns waitctx.ErrBusy, and after Close ErrClosed; then fn does
// not run. Of what is left to be done FD and OnReady tell, and of a timer that
// the job has set, Next.
func (s *Scheduler) Start(fn func(Job) error) (Job, error) {
	if fn == nil {
		return Job{}, errors.New("jobs: Start of a nil function")
	}
	if !s.running.CompareAndSwap(false, true) {
		return Job{}, s.busy()
	}
	defer s.leave()
	if s.isClosed() {
		return Job{}, ErrClosed
	}
	if s.nested.Load() {
		s.asleep.Store(false)
	}
	if s.dog != nil {
		s.dog.begin()
	}
	t := s.takeUnused()
	t.fn = fn
	s.enlist(t)
	j := Job{t, t.gen}
	timer := s.timers.next()
	s.budget = 0 // its coroutine comes back when the job ends
	for n := 1; ; n++ {
		s.enter(t)
		s.stats.Resumes++
		t.next() // right here: see task.block
		if t.state == stateDone {
			s.giveBack(t.co)
			s.finish(t)
		} else if t.born == 0 && t.state == statePaused { // it has to wait
			t.born = s.now() + 1
		}
		if s.posted.Load() && n < stepsPerStart {
			s.drainInbox()
		}
		if s.high.n == 0 || n == stepsPerStart {
			break
		}
		t = s.high.pop()
	}
	s.afterTurn()
	if s.ready != nil && s.timers.next() < timer {
		s.poller.Wake() // its goroutine is in the poller, and does not know of this one
	}
	return j, nil
}

// Renew ends the job, as if it had returned nil, and begins another right here: it
// returns the new job, and j is stale. So what is handled one after the other on
// one stack, as the requests of a connection, can be a job each without a switch.
// The new job has j's priority, and nothing else: no wait, no deadline, no name,
// no context, and who would cancel j does not reach it. A trace shows both as one
// region. Only the running job may be renewed (waitctx.ErrBusy). After Close it
// is ErrClosed, outside a Scheduler's job ErrNotLoop, and j goes on.
func (j Job) Renew() (Job, error) {
	t, err := j.loop()
	switch {
	case err != nil:
		return Job{}, err
	case t.state != stateRunning:
		return Job{}, waitctx.ErrBusy
	case t.s.isClosed():
		return Job{}, ErrClosed
	}
	if t.own != nil || t.watch != nil || t.ctx != nil || t.timerAt != 0 {
		t.s.release(t)
	}
	low, index, co, next, yield := t.low, t.index, t.co, t.next, t.yield
	t.reset()
	t.low, t.index, t.co, t.next, t.yield = low, index, co, next, yield
	t.state = stateRunning
	t.s.stats.Started++
	if t.s.dog != nil || t.s.profile {
		t.s.renamed(t)
	}
	return Job{t, t.gen}, nil
}
