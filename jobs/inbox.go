package jobs

// post is something another goroutine asks of the loop.
type post struct {
	t    *task
	gen  uint32
	what postKind
	err  error
	fn   func()
}

type postKind uint8

const (
	postStart postKind = iota
	postWake
	postCancel
	postCall
)

// Post runs fn on the loop, between jobs. fn must not block. Any goroutine may
// call it; after Close it does nothing and reports false. A panic of fn goes to
// whoever runs the loop, and the next turn goes on where it ended this one.
func (s *Scheduler) Post(fn func()) bool { return s.post(post{what: postCall, fn: fn}) }

// post queues p, unless the scheduler is closed.
func (s *Scheduler) post(p post) bool {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return false
	}
	s.postLocked(p)
	return true
}

// postLocked queues p and unlocks. The poller is woken only if the loop is, or
// is about to be, asleep in it.
func (s *Scheduler) postLocked(p post) {
	s.inbox = append(s.inbox, p)
	s.posted.Store(true)
	s.mu.Unlock()
	if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
		s.poller.Wake()
	}
}

// drainInbox takes over what other goroutines asked for.
func (s *Scheduler) drainInbox() {
	s.mu.Lock()
	s.posted.Store(s.closed.Load()) // closed is noticed by every turn
	batch := s.inbox
	s.inbox, s.inspare = s.inspare[:0], nil
	s.mu.Unlock()
	begun, came := 0, 0
	defer func() { s.drained(batch, begun, came) }()
	for i := range batch {
		begun++
		if batch[i].what == postStart {
			came++
		}
		s.handle(&batch[i])
	}
}

// drained follows drainInbox. What was not begun, since a function of Post panicked, is
// for the next turn, before what was posted meanwhile.
func (s *Scheduler) drained(batch []post, begun, came int) {
	clear(batch[:begun])
	if begun == len(batch) {
		s.inspare = batch[:0]
		if came == 0 {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming -= came
	s.live.Store(int64(len(s.tasks)))
	if begun < len(batch) {
		s.inbox = append(batch[begun:], s.inbox...)
		s.posted.Store(true)
	}
}

func (s *Scheduler) handle(p *post) {
	switch {
	case p.what == postCall:
		p.fn()
	case p.t.gen != p.gen:
		s.stats.LateWakes++
	case p.what == postStart:
		s.admit(p.t)
	case p.what == postWake:
		if p.t.on == onWaker && p.t.signal.fired() { // else the job knows by now
			s.wake(p.t, nil)
		}
	case p.what == postCancel:
		p.t.cancel(p.err)
	}
}
