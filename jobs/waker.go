package jobs

import "sync/atomic"

// Waker wakes a job from any goroutine without a descriptor of its own. Wakes
// before the job looks are one; a wake of a job that has ended is counted and
// does nothing. The zero Waker wakes nobody.
type Waker struct{ j Job }

// Waker returns a Waker for the job. That of a Pool's job does nothing. Loop only.
func (j Job) Waker() Waker {
	if j.t != nil && j.t.gen == j.gen {
		j.t.signal.enable(j.gen)
	}
	return Waker{j}
}

// Wake makes the job's present or next Park return. It never blocks. What was done
// before it is seen after that Park. A wake may be an earlier one's, or for nothing
// by then: test what is waited for in a loop.
func (w Waker) Wake() {
	t := w.j.t
	if t == nil || t.s == nil {
		return
	}
	switch first, stale := t.signal.fire(w.j.gen); {
	case stale:
		t.s.late.Add(1)
	case first:
		t.s.post(post{t: t, gen: w.j.gen, what: postWake})
	}
}

// Park pauses the job until its Waker fires. After a wake since the last Park it
// only lets the other ready jobs run once.
func (j Job) Park() error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	t.signal.enable(t.gen)
	if t.signal.park() {
		t.pausing(onWaker)
	} else {
		t.s.runnable(t, nil)
	}
	t.yield(Paused) // right here: see task.block
	if err := t.resumed(); err != nil {
		t.signal.unpark() // a wake stays for the next Park
		return err
	}
	t.signal.clear(t.gen)
	return nil
}

// signal is where wakers and a job's Park meet: the job's generation, whether it
// has been woken since it last looked, and whether it is parked. So the loop has
// to be told, by a post, of wakes of a parked job alone, and of the first. Each
// step writes the word, also one that changes nothing: what was done before a
// wake is seen by whoever it wakes.
type signal struct {
	word atomic.Uint64
	used bool // there has been a Waker: word has the generation. Loop only
}

const (
	wasFired = 1 << 32
	isParked = 1 << 33
)

// fire wakes the job, and reports whether that is the first wake of a parked one.
func (s *signal) fire(gen uint32) (first, stale bool) {
	for {
		w := s.word.Load()
		if uint32(w) != gen {
			return false, true
		}
		if s.word.CompareAndSwap(w, w|wasFired) {
			return w&(wasFired|isParked) == isParked, false
		}
	}
}

// fired reports whether the job was woken and has not looked since.
func (s *signal) fired() bool { return s.word.Load()&wasFired != 0 }

// park reports false if the job was woken before.
func (s *signal) park() bool {
	w := s.word.Load()
	return w&wasFired == 0 && s.word.CompareAndSwap(w, w|isParked)
}

// unpark ends a park that no wake has ended.
func (s *signal) unpark() { s.word.And(^uint64(isParked)) }

// clear forgets wakes, once the job has looked.
func (s *signal) clear(gen uint32) { s.word.Swap(uint64(gen)) }

// enable is called for the first Waker. Most tasks never have one.
func (s *signal) enable(gen uint32) {
	if !s.used {
		s.used = true
		s.clear(gen)
	}
}

// renew makes the Wakers of earlier jobs stale.
func (s *signal) renew(gen uint32) {
	if s.used {
		s.clear(gen)
	}
}
