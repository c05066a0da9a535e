package jobs

import (
	"errors"
	"iter"

	"bide/internal/prefetch"
)

// coro is a coroutine that runs one task after another. It is created and
// resumed by the loop only: the thread-lock state at each switch must be that
// of its creation, or the runtime aborts the process.
//
// It is stopped only when idle, after its task has ended, so that a yield
// within a task always comes back.
type coro struct {
	resume    func() (Status, bool) // nil once Goexit is under way in it: not to be reused
	stop      func()
	yield     func(Status) bool
	t         *task
	goroutine uintptr // to prefetch by
	goid      uint64  // of its goroutine, for the watchdog; 0 until asked for
}

func newCoro() *coro {
	c := new(coro)
	c.resume, c.stop = iter.Pull(c.loop)
	return c
}

func (c *coro) dead() bool { return c.resume == nil }

// give has the coroutine run t when it is next resumed.
func (c *coro) give(t *task) {
	c.t, t.co, t.next = t, c, c.resume
}

// loop runs the tasks it is given, until stop.
func (c *coro) loop(yield func(Status) bool) {
	c.yield, c.goroutine = yield, prefetch.G()
	for {
		c.run()
		if s := c.t.s; s != nil && s.budget > 0 && s.another(c) {
			continue
		}
		if !yield(Finished) {
			return
		}
	}
}

// run runs one task to its end. A panic becomes the job's error. Goexit cannot
// be called off, and iter.Pull would pass it on to the loop; so the coroutine
// stops for good inside this deferred call, and is thrown away.
func (c *coro) run() {
	defer func() {
		t := c.t
		if t.state == stateDone {
			return
		}
		if v := recover(); v != nil {
			t.err = newPanic(v)
			t.state = stateDone
			return
		}
		t.err, t.state = ErrGoexit, stateDone
		if t.errExit != nil {
			t.err = t.errExit
		}
		c.resume = nil
		c.yield(Finished)
		panic(errDiscarded) // or discard would see the Goexit
	}()
	t := c.t
	t.begin(c)
	t.err = t.fn(Job{t, t.gen})
	t.state = stateDone
}

// lend gives the task a coroutine.
func (s *Scheduler) lend(t *task) {
	s.setFunc(t)
	if n := len(s.idle); n > 0 {
		s.idle[n-1].give(t)
		s.idle = s.idle[:n-1]
		return
	}
	newCoro().give(t)
}

// giveBack keeps a coroutine whose job has ended for the next.
func (s *Scheduler) giveBack(c *coro) {
	if c.dead() {
		c.discard()
		return
	}
	c.t = nil
	s.idle = append(s.idle, c)
}

// another gives a coroutine whose job has ended the next of the turn, if that has
// none yet: two switches fewer than by way of the loop.
func (s *Scheduler) another(c *coro) bool {
	t := s.from.first()
	if t.next != nil {
		return false
	}
	s.finish(c.t)
	s.setFunc(t)
	c.give(t)
	s.beforeStep()
	return true
}

var errDiscarded = errors.New("jobs: discarded")

// discard ends an idle coroutine. One that Goexit left half unwound would pass
// that on to whoever stops it, and no recover helps; so it panics on its way
// out, which iter.Pull passes on in the Goexit's place. Another goroutine could
// take the Goexit, but not for a coroutine of a locked thread.
func (c *coro) discard() {
	if c.dead() {
		defer func() {
			if v := recover(); v != nil && v != errDiscarded {
				panic(v)
			}
		}()
	}
	c.stop()
}
