package jobs

import "time"

// trimAfter is how long the loop must have run no job for before it gives up
// its idle coroutines.
const trimAfter = time.Second

// trimmer has the loop look once in a while, as long as there are idle
// coroutines, whether it has gone quiet. The loop's own timers would do, but with
// one pending each sleep costs more than without, except with epoll's alarm.
type trimmer struct {
	timer   *time.Timer
	armed   bool
	resumes uint64 // at the last look
}

// arm sees to it that there will be a look.
func (m *trimmer) arm(s *Scheduler) {
	m.armed, m.resumes = true, s.stats.Resumes
	if m.timer == nil {
		m.timer = time.AfterFunc(trimAfter, func() { s.Post(func() { m.look(s) }) })
		return
	}
	m.timer.Reset(trimAfter)
}

// look gives up what a quiet loop keeps. A busy one is looked at again.
func (m *trimmer) look(s *Scheduler) {
	m.armed = false
	if m.resumes != s.stats.Resumes {
		return // the turn arms it again
	}
	s.trim(0)
	s.spare, s.spareQuiet, s.unused, s.buffer = nil, nil, nil, nil
}

func (m *trimmer) stop() {
	if m.timer != nil {
		m.timer.Stop()
	}
}

// trim gives up all but n idle coroutines.
func (s *Scheduler) trim(n int) {
	for len(s.idle) > n {
		last := len(s.idle) - 1
		s.idle[last].discard()
		s.idle[last] = nil
		s.idle = s.idle[:last]
	}
}
