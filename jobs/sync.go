package jobs

// Where package sync would block the loop, what follows pauses the job. Jobs run one
// at a time, so that nothing here needs a lock.

// waitIn pauses the task in q until it is let go or stopped, and reports whether
// it was let go, which it may have been besides.
func (t *task) waitIn(q *queue, on pausedOn) (let bool, err error) {
	if err := t.check(); err != nil {
		return false, err
	}
	q.push(t)
	err = t.block(on)
	return t.reason == nil, err
}

// letGo lets the job go that waited longest.
func (q *queue) letGo() bool {
	t := q.head
	if t == nil {
		return false
	}
	t.s.wake(t, nil)
	return true
}

// wakeAll wakes all that wait, for a reason.
func (q *queue) wakeAll(reason error) {
	for t := q.head; t != nil; t = q.head {
		t.s.wake(t, reason)
	}
}

// Mutex is a lock for jobs of one scheduler: Lock pauses the job, not the loop.
// The zero value is unlocked. Waiting jobs get it in order.
type Mutex struct {
	locked bool
	q      queue
}

// Lock locks m, or returns why the job was stopped while it waited.
func (m *Mutex) Lock(j Job) error {
	if m.TryLock() {
		return nil
	}
	t, err := j.loop()
	if err != nil {
		return err
	}
	let, err := t.waitIn(&m.q, onMutex)
	if let && err != nil { // handed over and stopped in one turn
		m.Unlock()
	}
	return err
}

// TryLock locks m if it is unlocked.
func (m *Mutex) TryLock() bool {
	if m.locked {
		return false
	}
	m.locked = true
	return true
}

// Unlock unlocks m, or hands it to the next job. It panics if m is unlocked.
func (m *Mutex) Unlock() {
	if !m.locked {
		panic("jobs: Unlock of an unlocked Mutex")
	}
	if !m.q.letGo() {
		m.locked = false
	}
}

// Cond is a condition variable for jobs of one scheduler. Since jobs run one at
// a time it needs no lock; test the condition in a loop. Job.Within bounds the time
// of one Wait, or of the loop. The zero value is ready for use.
type Cond struct{ q queue }

// Wait pauses the job until Signal or Broadcast, or returns why it was stopped.
func (c *Cond) Wait(j Job) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	let, err := t.waitIn(&c.q, onCond)
	if let && err != nil { // let go and stopped in one turn: it may have been meant for the next
		c.Signal()
	}
	return err
}

// Signal resumes the job that has waited longest, or the next if that one is
// stopped before it has run.
func (c *Cond) Signal() { c.q.letGo() }

// Broadcast resumes all that wait.
func (c *Cond) Broadcast() { c.q.wakeAll(nil) }

// Semaphore bounds how many jobs of one scheduler do something at a time. Make one
// with [NewSemaphore]: the zero value has no place.
type Semaphore struct {
	free int
	q    queue
}

// NewSemaphore returns a semaphore of n places. It panics below 0.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic("jobs: negative Semaphore")
	}
	return &Semaphore{free: n}
}

// Acquire takes a place, pausing j until there is one, or returns why the job was
// stopped while it waited.
func (s *Semaphore) Acquire(j Job) error {
	if s.TryAcquire() {
		return nil
	}
	t, err := j.loop()
	if err != nil {
		return err
	}
	let, err := t.waitIn(&s.q, onSemaphore)
	if let && err != nil {
		s.Release()
	}
	return err
}

// TryAcquire takes a place if there is one.
func (s *Semaphore) TryAcquire() bool {
	if s.free <= 0 {
		return false
	}
	s.free--
	return true
}

// Release gives a place back, to the next job if one waits. It counts no places: one
// that was never taken is one more.
func (s *Semaphore) Release() {
	if !s.q.letGo() {
		s.free++
	}
}

// WaitGroup waits for jobs of one scheduler to be done. The zero value counts none.
type WaitGroup struct {
	n int
	q queue
}

// Add adds n, which may be negative, and resumes the waiters at zero. It panics
// below zero.
func (w *WaitGroup) Add(n int) {
	w.n += n
	if w.n < 0 {
		panic("jobs: negative WaitGroup")
	}
	if w.n == 0 {
		w.q.wakeAll(nil)
	}
}

// Done is Add(-1).
func (w *WaitGroup) Done() { w.Add(-1) }

// Wait pauses the job until the count is or was zero, or returns why it was
// stopped.
func (w *WaitGroup) Wait(j Job) error {
	if w.n == 0 {
		return nil
	}
	t, err := j.loop()
	if err != nil {
		return err
	}
	_, err = t.waitIn(&w.q, onWaitGroup)
	return err
}
