package jobs

import (
	"errors"
	"log"
)

// admit counts a new job and makes it runnable.
func (s *Scheduler) admit(t *task) {
	s.enlist(t)
	s.runnable(t, nil)
	s.ready.wakeHost()
}

// enlist counts a new job among the live ones.
func (s *Scheduler) enlist(t *task) {
	t.index = int32(len(s.tasks))
	s.tasks = append(s.tasks, t)
	s.stats.Started++
}

// setFunc gives a task that is about to begin its function. A Watch's is the one
// it has by now.
func (s *Scheduler) setFunc(t *task) {
	if src := t.watch; src != nil {
		if t.fn = src.fn; t.fn == nil {
			t.fn = nothing
			src.redeliver(t.reason)
		}
	}
	if s.profile {
		t.fn = profiled(t.fn)
	}
}

func nothing(Job) error { return nil }

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
	t.watch, t.low = src, src.flags&lowJobs != 0
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
	s.ready.wakeHost()
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
	name, err := t.name, t.err
	last := len(s.tasks) - 1
	s.tasks[t.index] = s.tasks[last]
	s.tasks[t.index].index = t.index
	s.tasks[last] = nil
	s.tasks = s.tasks[:last]
	s.release(t) // a Cleanup may panic
	s.recycle(t)
	if err != nil {
		s.stats.Failed++
		s.failed(name, err) // last, as it may panic
	}
}

// release ends what was an ended job's alone.
func (s *Scheduler) release(t *task) {
	if t.own != nil {
		s.retire(t.own)
	}
	if src := t.watch; src != nil {
		src.active = false
		if src.fn != nil { // else whoever waits next rearms
			src.restartFunc()
		}
		if src.untold() {
			s.setTimer(src)
		}
	}
	if t.timerAt != 0 {
		t.timerAt = 0
		s.lapse()
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
