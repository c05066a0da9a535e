package jobs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"bide/poller"
	"bide/waitctx"
)

const (
	eventsPerTurn  = 256
	lowPerTurn     = 1 // heavy steps, such as handshakes, that one turn runs
	defaultMaxIdle = 64
	bufferSize     = 64 << 10
)

// Scheduler runs jobs on one goroutine: whoever calls Run or RunOnce. Turn by
// turn it collects events, resumes the jobs they are for, and applies what the
// jobs changed about their waits.
type Scheduler struct {
	poller  poller.Poller
	own     bool // poller is to be closed
	maxIdle int

	slots      []slotEntry
	freeSlots  []uint32
	spare      []*source
	dirty      []*source
	dirtySpare []*source
	changes    []waitctx.Change
	events     []waitctx.Event
	high, low  ring
	timers     timerHeap
	idle       []*coro
	tasks      []*task // live
	buffer     []byte
	epoch      time.Time
	current    *task
	running    atomic.Bool
	asleep     atomic.Bool
	posted     atomic.Bool // inbox is not empty

	mu      sync.Mutex // guards what follows
	inbox   []post
	inspare []post
	free    []*task
	closed  bool

	work  workers
	stats Stats
	live  atomic.Int64
}

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

// Option configures New.
type Option func(*config)

type config struct {
	poller  poller.Poller
	backend string
	workers int
	maxIdle int
}

// WithPoller has the scheduler use p, which stays the caller's to close.
func WithPoller(p poller.Poller) Option { return func(c *config) { c.poller = p } }

// WithBackend names the poller's backend; "" is the best of the system.
func WithBackend(name string) Option { return func(c *config) { c.backend = name } }

// WithWorkers bounds the goroutines that Await runs on; the default is 64.
func WithWorkers(n int) Option { return func(c *config) { c.workers = n } }

// WithMaxIdle bounds the idle coroutines that are kept; the default is 64. Each
// is a goroutine with a stack that may have grown.
func WithMaxIdle(n int) Option { return func(c *config) { c.maxIdle = n } }

// New returns a Scheduler. Close it.
func New(opts ...Option) (*Scheduler, error) {
	c := config{workers: 64, maxIdle: defaultMaxIdle}
	for _, o := range opts {
		o(&c)
	}
	if c.workers < 1 || c.maxIdle < 0 {
		return nil, fmt.Errorf("jobs: %d workers, %d idle coroutines: need at least 1 and 0", c.workers, c.maxIdle)
	}
	s := &Scheduler{
		poller: c.poller, maxIdle: c.maxIdle, epoch: time.Now(),
		events: make([]waitctx.Event, eventsPerTurn),
	}
	s.work.max = c.workers
	if s.poller == nil {
		var popts []poller.Option
		if c.backend != "" {
			popts = append(popts, poller.WithBackend(c.backend))
		}
		p, err := poller.New(popts...)
		if err != nil {
			return nil, err
		}
		s.poller, s.own = p, true
	}
	return s, nil
}

// now is the loop's time: nanoseconds since the scheduler was made.
func (s *Scheduler) now() int64 { return int64(time.Since(s.epoch)) }

// at turns a time into the loop's; zero is 0, for none.
func (s *Scheduler) at(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(int64(t.Sub(s.epoch)), 1)
}

// Go starts fn as a job. It may be called from any goroutine, and returns
// before fn runs. After Close it returns the zero Job.
func (s *Scheduler) Go(fn func(Job) error) Job { return s.spawn(fn, false) }

// GoLow is Go at low priority: ready jobs go first, and few such steps run in
// one turn. It is meant for handshakes and other heavy work.
func (s *Scheduler) GoLow(fn func(Job) error) Job { return s.spawn(fn, true) }

func (s *Scheduler) spawn(fn func(Job) error, low bool) Job {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Job{}
	}
	t := s.takeTask()
	t.fn, t.low = fn, low
	j := Job{t, t.gen}
	s.postLocked(post{t: t, gen: t.gen, what: postStart})
	return j
}

// takeTask returns a task from the free list. s.mu is held.
func (s *Scheduler) takeTask() *task {
	if n := len(s.free); n > 0 {
		t := s.free[n-1]
		s.free = s.free[:n-1]
		return t
	}
	return &task{s: s, run: run{gen: 1}}
}

// Post runs fn on the loop, between jobs. fn must not block. Any goroutine may
// call it; after Close it does nothing and reports false.
func (s *Scheduler) Post(fn func()) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.postLocked(post{what: postCall, fn: fn})
	return true
}

// postLocked queues p and unlocks. The poller is woken only if the loop is, or
// is about to be, asleep in it.
func (s *Scheduler) postLocked(p post) {
	s.inbox = append(s.inbox, p)
	s.posted.Store(true)
	s.mu.Unlock()
	if s.asleep.CompareAndSwap(true, false) {
		s.poller.Wake()
	}
}

// Cancel makes every wait of the job return err, ErrCanceled if nil, now and
// from now on. Any goroutine may call it; a job that ended is left alone.
func (j Job) Cancel(err error) {
	if j.t == nil {
		return
	}
	if err == nil {
		err = ErrCanceled
	}
	if s := j.t.s; s != nil {
		s.mu.Lock()
		s.postLocked(post{t: j.t, gen: j.gen, what: postCancel, err: err})
		return
	}
	if j.Valid() {
		j.t.cancel = err
		j.t.endContext(err)
	}
}

// Buffer lends the loop's scratch buffer of 64 KiB. It is the caller's until
// its job next pauses or returns. Loop goroutine only.
func (s *Scheduler) Buffer() []byte {
	if s.buffer == nil {
		s.buffer = make([]byte, bufferSize)
	}
	return s.buffer
}

// Run runs turns until ctx is done or the scheduler is closed. It returns the
// context's cause, or nil after Close.
func (s *Scheduler) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.poller.Wake() })
	defer stop()
	for ctx.Err() == nil {
		if _, err := s.RunOnce(-1); err != nil {
			if errors.Is(err, ErrClosed) {
				return nil
			}
			return err
		}
	}
	return context.Cause(ctx)
}

// RunOnce runs one turn: it waits up to timeout (negative: for ever; 0: not at
// all) for events, unless jobs are runnable, and runs what is ready. It reports
// whether runnable jobs remain. One goroutine at a time may be in it
// (waitctx.ErrBusy).
func (s *Scheduler) RunOnce(timeout time.Duration) (more bool, err error) {
	if !s.running.CompareAndSwap(false, true) {
		return false, waitctx.ErrBusy
	}
	defer s.running.Store(false)
	s.flush()
	if err := s.collect(timeout); err != nil {
		return false, err
	}
	s.drainInbox()
	s.expire()
	s.runReady()
	s.flush()
	s.stats.Turns++
	more = s.high.len()+s.low.len() > 0
	return more, nil
}

// collect waits for events and makes their jobs runnable.
func (s *Scheduler) collect(timeout time.Duration) error {
	if s.high.len()+s.low.len() > 0 {
		timeout = 0
	} else if d := s.untilTimer(); d >= 0 && (timeout < 0 || d < timeout) {
		timeout = d
	}
	if timeout != 0 {
		s.asleep.Store(true)
		s.mu.Lock()
		if len(s.inbox) > 0 {
			timeout = 0
			s.asleep.Store(false)
		}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return ErrClosed
		}
		if timeout != 0 {
			s.trim()
		}
	}
	n, err := s.poller.Wait(s.events, timeout)
	if timeout != 0 {
		s.asleep.Store(false)
	}
	if err != nil {
		if errors.Is(err, waitctx.ErrClosed) {
			return ErrClosed
		}
		return err
	}
	for i := range n {
		ev := &s.events[i]
		if src := s.lookup(ev.Token); src != nil {
			s.ready(src, ev)
		} else {
			s.stats.Stale++
		}
	}
	s.stats.Events += uint64(n)
	return nil
}

// drainInbox takes over what other goroutines asked for.
func (s *Scheduler) drainInbox() {
	if !s.posted.Load() {
		return
	}
	s.mu.Lock()
	s.posted.Store(false)
	batch := s.inbox
	s.inbox, s.inspare = s.inspare[:0], nil
	for i := range batch {
		if batch[i].what == postWake {
			batch[i].t.wakingGen = 0
		}
	}
	s.mu.Unlock()
	for i := range batch {
		p := &batch[i]
		switch {
		case p.what == postCall:
			p.fn()
		case p.t.gen != p.gen:
			s.stats.LateWakes++
		case p.what == postStart:
			s.admit(p.t)
		case p.what == postWake:
			p.t.signal = true
			if p.t.on == onSignal {
				p.t.signal = false
				s.wake(p.t, nil)
			}
		case p.what == postCancel:
			s.cancelTask(p.t, p.err)
		}
		*p = post{}
	}
	s.mu.Lock()
	s.inspare = batch[:0]
	s.mu.Unlock()
}

// admit counts a new job and makes it runnable.
func (s *Scheduler) admit(t *task) {
	t.place = int32(len(s.tasks))
	s.tasks = append(s.tasks, t)
	s.live.Add(1)
	s.stats.Started++
	t.state = stateIdle
	s.runnable(t, nil)
}

// startWatch starts a pooled job for a Watch that became ready.
func (s *Scheduler) startWatch(src *source, reason error) {
	s.mu.Lock()
	t := s.takeTask()
	s.mu.Unlock()
	src.active = true
	t.fn, t.watch, t.low = src.fn, src, src.low
	s.admit(t)
	t.reason = reason
}

// cancelTask makes the job's waits fail from now on.
func (s *Scheduler) cancelTask(t *task, err error) {
	if t.cancel == nil {
		t.cancel = err
		t.endContext(err)
	}
	if t.state == statePaused {
		s.wake(t, t.cancel)
	}
}

// wake takes a paused job off whatever it waits for and makes it runnable.
func (s *Scheduler) wake(t *task, reason error) {
	if t.state != statePaused {
		return
	}
	switch on := t.on.(type) {
	case *source:
		on.remove(t)
	case *queue:
		on.remove(t)
	}
	t.on = nil
	s.runnable(t, reason)
}

func (s *Scheduler) runnable(t *task, reason error) {
	t.reason, t.state = reason, stateReady
	if t.low {
		s.low.push(t)
	} else {
		s.high.push(t)
	}
}

// runReady runs every job that was ready when it began, and a few heavy ones.
func (s *Scheduler) runReady() {
	for range s.high.len() {
		s.step(s.high.pop())
	}
	for range min(lowPerTurn, s.low.len()) {
		s.step(s.low.pop())
	}
}

// step runs one job until it pauses or ends.
func (s *Scheduler) step(t *task) {
	if t.co == nil {
		if n := len(s.idle); n > 0 {
			t.co = s.idle[n-1]
			s.idle = s.idle[:n-1]
		} else {
			t.co = newCoro()
		}
		t.co.t = t
	}
	t.state = stateRunning
	s.current = t
	t.co.resume()
	s.current = nil
	s.stats.Resumes++
	if t.state == stateDone {
		s.finish(t)
		return
	}
	if t.own != nil {
		s.touch(t.own)
	}
	if t.watch != nil {
		s.touch(t.watch)
	}
}

// finish takes an ended job apart.
func (s *Scheduler) finish(t *task) {
	if t.co.dead {
		t.co.discard()
	} else {
		t.co.t = nil
		s.idle = append(s.idle, t.co)
	}
	if t.err != nil {
		s.stats.Failed++
	}
	if t.own != nil {
		s.retire(t.own)
	}
	if src := t.watch; src != nil {
		src.active = false
		if !src.stopped {
			s.touch(src)
			s.listen(src, 0)
		}
	}
	t.endContext(ErrStale)
	last := len(s.tasks) - 1
	s.tasks[t.place] = s.tasks[last]
	s.tasks[t.place].place = t.place
	s.tasks[last] = nil
	s.tasks = s.tasks[:last]
	s.live.Add(-1)
	gen := t.gen + 1
	s.mu.Lock()
	t.run = run{gen: gen}
	if len(s.free) < s.maxIdle {
		s.free = append(s.free, t)
	}
	s.mu.Unlock()
}

// trim gives idle coroutines beyond the cap back before the loop sleeps.
func (s *Scheduler) trim() {
	for len(s.idle) > s.maxIdle {
		n := len(s.idle) - 1
		s.idle[n].discard()
		s.idle[n] = nil
		s.idle = s.idle[:n]
	}
}

// Next returns when the next timer is due, for a host that computes its own
// timeout; false if there is none.
func (s *Scheduler) Next() (time.Time, bool) {
	d := s.timers.next()
	if d == math.MaxInt64 {
		return time.Time{}, false
	}
	return s.epoch.Add(time.Duration(d)), true
}

// FD returns a descriptor that is readable when RunOnce(0) has something to do,
// for a host's own loop; false if the backend has none.
func (s *Scheduler) FD() (waitctx.FD, bool) { return s.poller.FD() }

// Close cancels every job, lets them unwind, and closes the poller. It must not
// be called from a job; if Run is under way it returns once Run has.
func (s *Scheduler) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	for !s.running.CompareAndSwap(false, true) {
		s.poller.Wake()
		time.Sleep(100 * time.Microsecond)
	}
	defer s.running.Store(false)
	s.drainInbox()
	for len(s.tasks) > 0 {
		for _, t := range s.tasks {
			s.cancelTask(t, ErrClosed)
		}
		s.drainInbox()
		s.runReady()
		s.flush()
	}
	for _, e := range s.slots {
		if e.src != nil && !e.src.stopped {
			s.retire(e.src)
		}
	}
	s.flush()
	for _, c := range s.idle {
		c.discard()
	}
	s.idle = nil
	if s.own {
		return s.poller.Close()
	}
	return nil
}
