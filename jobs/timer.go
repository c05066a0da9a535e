package jobs

import (
	"math"
	"os"
	"time"
)

// timer is a moment in loop time at which a job or a source is looked at. It is
// a hint: whoever it is for may have moved on.
type timer struct {
	when int64
	t    *task
	gen  uint32
	src  *source
}

// timerHeap is a binary heap by when.
type timerHeap []timer

func (h timerHeap) next() int64 {
	if len(h) == 0 {
		return math.MaxInt64
	}
	return h[0].when
}

// push adds a timer, but none for the end of time, where deadlines lie that are
// too far away for an int64.
func (h *timerHeap) push(x timer) {
	if x.when == math.MaxInt64 {
		return
	}
	*h = append(*h, x)
	q := *h
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if q[up].when <= q[i].when {
			break
		}
		q[up], q[i] = q[i], q[up]
		i = up
	}
}

func (h *timerHeap) pop() timer {
	q := *h
	top, last := q[0], len(q)-1
	q[0], q[last] = q[last], timer{}
	q = q[:last]
	*h = q
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q[c].when < q[least].when {
				least = c
			}
		}
		if least == i {
			return top
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
}

// fewTimers is how many timers that nobody waits for any more are let be.
const fewTimers = 64

// lapse counts a timer that nobody waits for any more. It would stay until its time,
// and hold what a Watch was for; so they go once they are the most of all.
func (s *Scheduler) lapse() {
	if s.lapsed++; s.lapsed <= fewTimers || s.lapsed <= len(s.timers)/2 {
		return
	}
	all := s.timers
	s.timers, s.lapsed = nil, 0
	for i := range all {
		if all[i].awaited() {
			s.timers.push(all[i])
		}
	}
}

// awaited reports whether somebody waits for the timer.
func (x *timer) awaited() bool {
	if x.t == nil {
		return x.src.timerAt == x.when
	}
	return x.t.gen == x.gen && (x.t.timerAt == x.when || x.t.on == onSleep && x.t.until == x.when)
}

// untilTimer is how long the loop may sleep, -1 for ever.
func (s *Scheduler) untilTimer() time.Duration {
	when := s.timers.next()
	if when == math.MaxInt64 {
		return -1
	}
	return max(time.Duration(when-s.now()), 0)
}

// expireTimers acts on the timers that are due.
func (s *Scheduler) expireTimers() {
	now := s.now()
	for s.timers.next() <= now {
		x := s.timers.pop()
		if s.lapsed > 0 && !x.awaited() {
			s.lapsed--
		}
		switch {
		case x.t == nil:
			if x.src.timerAt == x.when {
				x.src.timerAt = 0
				s.expireSource(x.src, now)
			}
		case x.t.gen != x.gen:
		case x.t.timerAt == x.when:
			x.t.timerAt = 0
			s.expireTask(x.t, now)
			fallthrough // the job may sleep until the same moment
		default:
			if x.t.on == onSleep && x.t.until == x.when {
				s.wake(x.t, nil)
			}
		}
	}
}

// Deadlines are lazy: one that moves back leaves its timer, which is set again
// when it fires. So a deadline that is moved with each read costs nothing.

// passed is a source's timerAt once its deadline has passed. Whoever comes to wait
// hears of it then; and if nobody has yet, because the function's job was active and
// waited for something else, the next one is started for that.
const passed = -1

// setTimer sees to it that a timer no later than the source's deadline is in
// the heap.
func (s *Scheduler) setTimer(src *source) {
	if src.deadline != 0 && (src.timerAt <= 0 || src.deadline < src.timerAt) {
		earlier := src.timerAt > 0
		src.timerAt = src.deadline
		s.timers.push(timer{when: src.deadline, src: src})
		s.ready.wakeHost()
		if earlier {
			s.lapse()
		}
	}
}

func (s *Scheduler) expireSource(src *source, now int64) {
	switch {
	case src.stopped || src.deadline == 0:
	case src.deadline > now:
		s.setTimer(src)
	default:
		pending := src.timerAt > 0
		if src.timerAt = passed; pending {
			s.lapse()
		}
		switch {
		case src.waiters.head != nil:
			src.flags |= told
			src.waiters.wakeAll(os.ErrDeadlineExceeded)
		case src.fn != nil && !src.active && src.flags&told == 0:
			src.flags |= told
			s.startWatch(src, os.ErrDeadlineExceeded)
		}
	}
}

// untold reports whether the deadline has passed and nobody has heard of it.
func (src *source) untold() bool { return src.timerAt == passed && src.flags&told == 0 }

// setDeadline is setTimer for a job.
func (s *Scheduler) setDeadline(t *task) {
	if t.deadline != 0 && (t.timerAt == 0 || t.deadline < t.timerAt) {
		earlier := t.timerAt != 0
		t.timerAt = t.deadline
		s.timers.push(timer{when: t.deadline, t: t, gen: t.gen})
		s.ready.wakeHost()
		if earlier {
			s.lapse()
		}
	}
}

func (s *Scheduler) expireTask(t *task, now int64) {
	switch {
	case t.deadline == 0:
	case t.deadline > now:
		s.setDeadline(t)
	default:
		t.expire()
	}
}
