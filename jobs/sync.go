package jobs

// queue is a list of jobs paused on one thing.
type queue struct {
	tasks []*task
	what  string
}

// wait pauses the task until it is let go or cancelled.
func (q *queue) wait(t *task) error {
	if t.cancel != nil {
		return t.canceled()
	}
	q.tasks = append(q.tasks, t)
	return t.block(q)
}

func (q *queue) remove(t *task) {
	for i, x := range q.tasks {
		if x == t {
			q.tasks = append(q.tasks[:i], q.tasks[i+1:]...)
			return
		}
	}
}

// next lets the longest waiting job go.
func (q *queue) next() bool {
	if len(q.tasks) == 0 {
		return false
	}
	t := q.tasks[0]
	t.s.wake(t, nil)
	return true
}

// Mutex is a lock for jobs of one scheduler: Lock pauses the job, not the loop.
// The zero value is unlocked. Waiting jobs get it in order.
type Mutex struct {
	locked bool
	q      queue
}

// Lock locks m, or returns why the job was cancelled while it waited.
func (m *Mutex) Lock(j Job) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	if !m.locked {
		m.locked = true
		return nil
	}
	m.q.what = "mutex"
	if err := m.q.wait(t); err != nil {
		if t.reason == nil { // handed over and cancelled in one turn
			m.Unlock()
		}
		return err
	}
	return nil
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
	if !m.q.next() {
		m.locked = false
	}
}

// Cond is a condition variable for jobs of one scheduler. Since jobs run one at
// a time it needs no lock; test the condition in a loop.
type Cond struct{ q queue }

// Wait pauses the job until Signal or Broadcast.
func (c *Cond) Wait(j Job) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	c.q.what = "cond"
	return c.q.wait(t)
}

// Signal resumes the job that has waited longest.
func (c *Cond) Signal() { c.q.next() }

// Broadcast resumes all that wait.
func (c *Cond) Broadcast() {
	for c.q.next() {
	}
}

// Semaphore bounds how many jobs do something at a time.
type Semaphore struct {
	free int
	q    queue
}

// NewSemaphore returns a semaphore of n places.
func NewSemaphore(n int) *Semaphore { return &Semaphore{free: n} }

// Acquire takes a place, pausing until there is one.
func (s *Semaphore) Acquire(j Job) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	if s.free > 0 {
		s.free--
		return nil
	}
	s.q.what = "semaphore"
	if err := s.q.wait(t); err != nil {
		if t.reason == nil {
			s.Release()
		}
		return err
	}
	return nil
}

// Release gives a place back, to the next job if one waits.
func (s *Semaphore) Release() {
	if !s.q.next() {
		s.free++
	}
}

// WaitGroup waits for jobs to be done.
type WaitGroup struct {
	n int
	c Cond
}

// Add adds n, which may be negative, and resumes the waiters at zero. It panics
// below zero.
func (w *WaitGroup) Add(n int) {
	w.n += n
	if w.n < 0 {
		panic("jobs: negative WaitGroup")
	}
	if w.n == 0 {
		w.c.Broadcast()
	}
}

// Done is Add(-1).
func (w *WaitGroup) Done() { w.Add(-1) }

// Wait pauses the job until the count is zero.
func (w *WaitGroup) Wait(j Job) error {
	for w.n > 0 {
		if err := w.c.Wait(j); err != nil {
			return err
		}
	}
	return nil
}
