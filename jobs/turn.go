package jobs

import (
	"context"
	"errors"
	"log"
	"sync/atomic"
	"time"

	"bide/waitctx"
)

// Run runs turns until ctx is done or the scheduler is closed. It returns the
// context's cause, or nil after Close. One goroutine at a time may be in it or
// in RunOnce (waitctx.ErrBusy).
func (s *Scheduler) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
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
		return false, waitctx.ErrBusy
	}
	defer s.leave()
	if s.nested.Load() {
		s.asleep.Store(false)
	}
	events := s.stats.Events
	err = s.turn(timeout)
	runnable := s.runnables() > 0
	if s.nested.Load() && err == nil {
		s.toHost(runnable)
	}
	return runnable || s.stats.Events != events, err
}

// toHost leaves the loop to a host that sleeps elsewhere than in the poller.
func (s *Scheduler) toHost(runnable bool) {
	s.asleep.Store(true)
	if runnable || s.posted.Load() {
		s.poller.Wake() // keeps FD readable
	}
	if s.ready != nil {
		s.ready.rearm()
	}
}

// leave ends a Run or RunOnce. A Close that waits for that goes on; the jobs are
// unwound here, since they belong to this thread if it is locked.
func (s *Scheduler) leave() {
	if s.posted.Load() && s.isClosed() {
		s.unwind()
	}
	s.running.Store(false)
	if s.posted.Load() {
		select {
		case s.left <- struct{}{}:
		default:
		}
	}
}

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
		s.tell(n)
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
	for {
		if s.budget == 0 {
			if low == 0 {
				break
			}
			s.from, s.budget, low = &s.low, low, 0
		}
		t := s.beforeStep()
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

// tell makes the jobs runnable that n events are for.
func (s *Scheduler) tell(n int) {
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

// admit counts a new job and makes it runnable.
func (s *Scheduler) admit(t *task) {
	s.enlist(t)
	s.runnable(t, nil)
}

// enlist counts a new job among the live ones.
func (s *Scheduler) enlist(t *task) {
	t.index = int32(len(s.tasks))
	s.tasks = append(s.tasks, t)
	s.stats.Started++
	if s.profile {
		t.fn = profiled(t.fn)
	}
}

// takeUnused takes a task for a job that begins on the loop.
func (s *Scheduler) takeUnused() *task {
	if n := len(s.unused); n > 0 {
		t := s.unused[n-1]
		s.unused = s.unused[:n-1]
		return t
	}
	return newTask(s, nil)
}

// startWatch starts a pooled job for a Watch that became ready.
func (s *Scheduler) startWatch(src *source, reason error) *task {
	t := s.takeUnused()
	src.active = true
	t.fn, t.watch, t.low = src.fn, src, src.kind == ofLowWatch
	s.admit(t)
	t.reason = reason
	return t
}

// wake takes a paused job off whatever it waits for and makes it runnable.
func (s *Scheduler) wake(t *task, reason error) {
	if t.state != statePaused {
		return
	}
	if t.queue != nil {
		t.queue.remove(t)
	}
	s.runnable(t, reason)
}

func (s *Scheduler) runnable(t *task, reason error) {
	t.reason, t.state, t.on = reason, stateReady, onNothing
	if t.low {
		s.low.push(t)
	} else {
		s.high.push(t)
	}
}

// finish takes an ended job apart.
func (s *Scheduler) finish(t *task) {
	if t.err != nil {
		s.stats.Failed++
		s.failed(t.name, t.err)
	}
	s.release(t)
	last := len(s.tasks) - 1
	s.tasks[t.index] = s.tasks[last]
	s.tasks[t.index].index = t.index
	s.tasks[last] = nil
	s.tasks = s.tasks[:last]
	s.recycle(t)
}

// release ends what was an ended job's alone.
func (s *Scheduler) release(t *task) {
	if t.own != nil {
		s.retire(t.own)
	}
	if src := t.watch; src != nil {
		src.active = false
		src.listen(anyPlace)
	}
	t.endContext(ErrStale)
}

// recycle keeps a task for the next job: first of all for watches, which take
// theirs on the loop, then for Go, which takes its under the lock.
func (s *Scheduler) recycle(t *task) {
	if len(s.unused) < maxUnused {
		t.reset()
		s.unused = append(s.unused, t)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.reset()
	if len(s.free) < maxUnused {
		s.free = append(s.free, t)
	}
}

// printPanic is what becomes of a job's error by default.
func printPanic(name string, err error) {
	var p *PanicError
	if errors.As(err, &p) {
		log.Printf("jobs: job %q panicked: %v\n%s", name, p.Value, p.Stack)
	}
}
