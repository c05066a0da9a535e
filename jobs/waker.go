package jobs

// Waker wakes a job from any goroutine without a descriptor of its own. Wakes
// before the job looks are one; a wake of a job that has ended is counted and
// does nothing. The zero Waker wakes nobody.
type Waker struct{ j Job }

// Waker returns a Waker for the job.
func (j Job) Waker() Waker { return Waker{j} }

// Wake makes the job's present or next Park return. It never blocks.
func (w Waker) Wake() {
	t := w.j.t
	if t == nil || t.s == nil {
		return
	}
	s := t.s
	s.mu.Lock()
	if s.closed || t.wakingGen == w.j.gen {
		s.mu.Unlock()
		return
	}
	t.wakingGen = w.j.gen
	s.postLocked(post{t: t, gen: w.j.gen, what: postWake})
}

// Park pauses the job until its Waker fires. A wake since the last Park makes
// it return at once.
func (j Job) Park() error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if t.sig {
		t.sig = false
		return nil
	}
	return t.block(onWaker)
}
