package jobs

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"bide/internal/chunks"
	"bide/poller"
	"bide/waitctx"
)

const (
	eventsPerTurn  = 256
	lowPerTurn     = 1 // heavy steps, such as handshakes, that one turn runs
	defaultMaxIdle = 64
	defaultWorkers = 64
	maxUnused      = 256 // tasks, and sources, kept for the next jobs
	bufferSize     = 64 << 10
)

// Scheduler runs jobs on one goroutine: whoever calls Run or RunOnce. Turn by
// turn it collects events, resumes the jobs they are for, and applies what the
// jobs changed about their waits.
//
// Go, GoLow, GoContext, Post, Live and Close are for any goroutine; Do, Stats and
// List for any but the loop's, which they wait for. All else belongs to the loop:
// it is called from a job, from a function of Post, or between turns.
type Scheduler struct {
	poller  poller.Poller
	own     bool // poller is to be closed
	edges   bool // poller honours waitctx.Edge
	maxIdle int
	failed  func(name string, err error)
	profile bool

	slots      chunks.List[slotEntry]
	dirty      []*source
	high, low  ring
	from       *ring // that jobs are run from now
	budget     int   // how many more of them may run
	ran        *task // last
	timers     timerHeap
	lapsed     int     // of timers, about: nobody waits for them any more
	tasks      []*task // live
	idle       []*coro
	events     []waitctx.Event
	changes    []waitctx.Change
	dirtySpare []*source
	freeSlots  []uint32
	spare      []*source  // of ended jobs
	spareQuiet *quietWait // the first, linked by next
	unused     []*task
	buffer     []byte
	epoch      time.Time
	stats      Stats
	trimmer    trimmer
	work       workers
	dog        *watchdog
	ready      *notifier // of OnReady
	jobless    bool      // closed, and no job is left: nothing can be watched
	unwound    bool
	inspare    []post // inbox's other half

	// How other goroutines reach the loop. Whoever posts sets posted, and wakes
	// the poller if the loop sleeps; the loop says that it will, and then looks
	// at posted once more. So no post is missed, and few cost a system call.
	running atomic.Bool // somebody is in Run, RunOnce or Close
	asleep  atomic.Bool // a post must wake the poller
	posted  atomic.Bool // there is something in inbox, or the scheduler was closed
	live    atomic.Int64
	late    atomic.Uint64 // wakes of jobs that had ended
	nested  atomic.Bool   // FD was handed out: the host sleeps, not the poller
	left    chan struct{} // told by a RunOnce that finds the scheduler closed

	mu     sync.Mutex // guards what follows
	inbox  []post
	coming int // jobs in inbox that are to be started
	free   []*task
	closed atomic.Bool // read without mu where a moment later would do as well
}

// Option configures New.
type Option func(*config)

type config struct {
	poller   poller.Poller
	backend  string
	workers  int
	maxIdle  int
	failed   func(name string, err error)
	profile  bool
	limit    time.Duration
	stalled  func(Stall)
	watchdog bool
}

// WithPoller has the scheduler use p, which stays the caller's to close.
func WithPoller(p poller.Poller) Option { return func(c *config) { c.poller = p } }

// WithBackend names the poller's backend; "" is the best of the system.
func WithBackend(name string) Option { return func(c *config) { c.backend = name } }

// WithWorkers bounds the goroutines that Await runs on; the default is 64.
func WithWorkers(n int) Option { return func(c *config) { c.workers = n } }

// WithMaxIdle bounds the idle coroutines that are kept; the default is 64. Each
// is a goroutine with a stack that may have grown. Once the loop has been quiet
// for a second they are all given up.
func WithMaxIdle(n int) Option { return func(c *config) { c.maxIdle = n } }

// WithErrors has fn called, on the loop, for each job that ended with an error,
// one that returned why it was stopped included (ErrCanceled, ErrClosed). The
// default prints panics, by package log, and drops the rest.
func WithErrors(fn func(name string, err error)) Option { return func(c *config) { c.failed = fn } }

// WithProfiling labels each job's goroutine with its name, under "job", in CPU
// profiles, and makes each job a region of execution traces, which logs the
// name.
func WithProfiling() Option { return func(c *config) { c.profile = true } }

// New returns a Scheduler. Close it.
func New(opts ...Option) (*Scheduler, error) {
	c := config{workers: defaultWorkers, maxIdle: defaultMaxIdle, failed: printPanic}
	for _, o := range opts {
		o(&c)
	}
	switch {
	case c.workers < 1:
		return nil, fmt.Errorf("jobs: WithWorkers(%d): need at least 1", c.workers)
	case c.failed == nil:
		return nil, errors.New("jobs: WithErrors of a nil function")
	case c.maxIdle < 0:
		return nil, fmt.Errorf("jobs: WithMaxIdle(%d): cannot be negative", c.maxIdle)
	case c.watchdog && (c.limit <= 0 || c.stalled == nil):
		return nil, fmt.Errorf("jobs: WithWatchdog(%v): needs a limit and a function", c.limit)
	}
	s := &Scheduler{
		poller: c.poller, maxIdle: c.maxIdle, failed: c.failed, profile: c.profile,
		events: make([]waitctx.Event, eventsPerTurn),
		epoch:  time.Now(),
		left:   make(chan struct{}, 1),
	}
	s.work.max = c.workers
	if s.poller == nil {
		p, err := poller.New(poller.WithBackend(c.backend))
		if err != nil {
			return nil, err
		}
		s.poller, s.own = p, true
	}
	s.edges = s.poller.Caps().Edges
	if c.watchdog {
		s.dog = newWatchdog(s, c.limit, c.stalled)
	}
	return s, nil
}

// now is the loop's time: nanoseconds since the scheduler was made.
func (s *Scheduler) now() int64 { return int64(time.Since(s.epoch)) }

// loopTime turns a time into the loop's; zero is 0, for none.
func (s *Scheduler) loopTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	now := time.Now() // between the two, as t may have no monotonic reading
	since := now.Sub(s.epoch)
	return max(int64(since+min(t.Sub(now), math.MaxInt64-since)), 1)
}

// Buffer lends the loop's scratch buffer of 64 KiB. It is the caller's until
// its job next pauses or returns. Loop only.
func (s *Scheduler) Buffer() []byte {
	if s.buffer == nil {
		s.buffer = make([]byte, bufferSize)
	}
	return s.buffer
}

// Close cancels every job, lets them unwind, closes what is still watched, and
// closes the poller, unless that is WithPoller's. A job that has not begun begins,
// and its waits fail; a function of Await is not waited for. Close must not be
// called by a job, a Cleanup, or a function of Post or WithErrors: it would wait for
// its caller. If Run or RunOnce is under way, the jobs unwind there, and Close
// returns once that has returned. Otherwise they unwind in Close: a locked loop's
// own goroutine has to call it then (see Threads). A panic of a function of
// WithErrors or of Post passes through once all is closed. Closing again does
// nothing, nor does it wait for a Close under way.
func (s *Scheduler) Close() (err error) {
	s.mu.Lock()
	if s.closed.Swap(true) {
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	s.posted.Store(true)
	for !s.running.CompareAndSwap(false, true) {
		s.poller.Wake()
		<-s.left
	}
	defer s.running.Store(false)
	if s.own {
		defer func() { err = s.poller.Close() }()
	}
	s.unwind()
	return nil
}

// unwind ends what a closed scheduler holds, but for the poller. It goes on with the
// rest if a function that it calls panics.
func (s *Scheduler) unwind() {
	if s.unwound {
		return
	}
	defer func() {
		if !s.unwound {
			s.unwind()
		}
	}()
	s.ready.stop()
	s.ready = nil
	s.drainInbox()
	s.unwindJobs()
	s.jobless = true
	for i := range s.slots.Len() {
		if src := s.slots.At(i).src; src != nil && !src.stopped {
			s.retire(src)
		}
	}
	s.flush()
	s.unwindJobs() // a Cleanup may have had a function started
	s.live.Store(0)
	s.trimmer.stop()
	s.trim(0)
	s.dog.stop()
	s.unwound = true
}

// unwindJobs has all jobs return, also those that they start.
func (s *Scheduler) unwindJobs() {
	for len(s.tasks) > 0 {
		for _, t := range s.tasks {
			t.cancel(ErrClosed)
		}
		for _, queue := range []*ring{&s.high, &s.low} {
			s.stats.Resumes += uint64(queue.n)
			for s.from, s.budget = queue, queue.n; s.budget > 0; {
				s.beforeStep().next()
				s.afterStep(s.ran)
			}
		}
		s.flush()
	}
}
