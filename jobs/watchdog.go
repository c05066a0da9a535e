package jobs

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

// Stall is a turn of the loop that took too long: something in it blocks, or
// computes. Nothing else of the loop goes on meanwhile.
type Stall struct {
	Job   string        // the name of the job that ran when the watchdog looked
	For   time.Duration // how long the turn had taken by then
	Stack []byte        // of the job; empty if none ran
}

func (s Stall) String() string {
	return fmt.Sprintf("jobs: the loop is stuck for %v in job %q\n%s", s.For.Round(time.Millisecond), s.Job, s.Stack)
}

// WithWatchdog has a goroutine off the loop call report when a turn takes longer
// than limit; 100 ms is a good one. It reports a turn once, between one and two
// limits after its begin. Each turn costs some 50 ns more.
func WithWatchdog(limit time.Duration, report func(Stall)) Option {
	return func(c *config) { c.watchdog, c.limit, c.stalled = true, limit, report }
}

// restAfter is how many looks without a turn under way let the watchdog rest,
// so that an idle process has no ticker.
const restAfter = 10

// watchdog looks at the loop twice per limit while turns happen.
type watchdog struct {
	s      *Scheduler
	limit  time.Duration
	report func(Stall)

	since   atomic.Int64 // loop time when the turn under way began, 0 for none
	name    atomic.Pointer[string]
	goid    atomic.Uint64 // of the coroutine that runs, 0 for none
	resting atomic.Bool
	kick    chan struct{}
	done    chan struct{}
	last    string // of name; loop only
}

func newWatchdog(s *Scheduler, limit time.Duration, report func(Stall)) *watchdog {
	d := &watchdog{s: s, limit: limit, report: report, kick: make(chan struct{}, 1), done: make(chan struct{})}
	d.name.Store(new(string))
	go d.watch()
	return d
}

// begin and end enclose a turn, without its waiting.
func (d *watchdog) begin() {
	d.since.Store(max(d.s.now(), 1))
	if d.resting.Load() && d.resting.CompareAndSwap(true, false) {
		d.kick <- struct{}{}
	}
}

func (d *watchdog) end() { d.since.Store(0) }

// enter says which task runs now.
func (d *watchdog) enter(t *task) {
	if t.name != d.last {
		d.last = t.name
		name := t.name
		d.name.Store(&name)
	}
	d.goid.Store(t.co.goid)
}

// begun is enter on the coroutine itself, which finds out its goroutine's
// number the first time.
func (d *watchdog) begun(c *coro) {
	if c.goid == 0 {
		c.goid = goroutineID()
	}
	d.goid.Store(c.goid)
}

func (d *watchdog) exit() { d.goid.Store(0) }

func (d *watchdog) stop() {
	if d != nil {
		close(d.done)
	}
}

func (d *watchdog) watch() {
	tick := time.NewTicker(d.limit / 2)
	defer tick.Stop()
	var reported int64
	for quiet := 0; ; {
		select {
		case <-d.done:
			return
		case <-tick.C:
		}
		since := d.since.Load()
		switch took := time.Duration(d.s.now() - since); {
		case since == 0:
			if quiet++; quiet == restAfter {
				quiet = 0
				if !d.rest(tick) {
					return
				}
			}
			continue
		case took > d.limit && since != reported:
			reported = since
			d.tell(since, took)
		}
		quiet = 0
	}
}

// rest stops the ticker until a turn begins. It reports false at the end.
func (d *watchdog) rest(tick *time.Ticker) bool {
	tick.Stop()
	d.resting.Store(true)
	if d.since.Load() != 0 && d.resting.CompareAndSwap(true, false) { // it began a moment before
		tick.Reset(d.limit / 2)
		return true
	}
	select {
	case <-d.done:
		return false
	case <-d.kick:
		tick.Reset(d.limit / 2)
		return true
	}
}

func (d *watchdog) tell(since int64, took time.Duration) {
	stall := Stall{For: took}
	if id := d.goid.Load(); id != 0 {
		stall.Job, stall.Stack = *d.name.Load(), stackOf(id)
	}
	if d.since.Load() == since { // else what was read may be of another turn
		d.report(stall)
	}
}

// stackOf returns the stack of a goroutine.
func stackOf(id uint64) []byte {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		n := runtime.Stack(buf, true)
		head := []byte("goroutine " + strconv.FormatUint(id, 10) + " [")
		_, stack, ok := bytes.Cut(append([]byte("\n\n"), buf[:n]...), append([]byte("\n\n"), head...))
		if end := bytes.Index(stack, []byte("\n\n")); ok && (end >= 0 || n < size) {
			if end >= 0 {
				stack = stack[:end]
			}
			return append(head, stack...)
		}
		if n < size || size >= 64<<20 {
			return nil
		}
	}
}

// goroutineID reads the number of the calling goroutine from its stack's head.
func goroutineID() uint64 {
	var buf [64]byte
	head := buf[:runtime.Stack(buf[:], false)]
	number, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("goroutine ")), []byte(" "))
	id, _ := strconv.ParseUint(string(number), 10, 64)
	return id
}
