package jobs

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"bide/waitctx"
)

// FD returns a descriptor for a host's own loop to watch. It is readable while
// RunOnce(0) has something to do, runnable jobs and posts included, and now and
// then for nothing. FD returns false if the backend has none (see Caps.Nestable),
// as on Windows: use OnReady there. The descriptor is the poller's: never read or
// close it, and watch it no longer than until Close. The host calls Close itself,
// between turns, since it would not be told if another goroutine did.
//
// It tells neither of timers nor of what the host itself does between turns,
// such as making a Watch: before the host sleeps it asks Next, and sleeps no
// longer than that.
//
// The host may be another Scheduler's job; three deep is what epoll allows. Loop
// only, or before Run.
//
// A host that watches for edges, as Go's netpoller does, is told once of what
// stays ready. It runs turns until RunOnce reports that there is no more. The
// example is such a host.
func (s *Scheduler) FD() (waitctx.FD, bool) {
	fd, ok := s.poller.FD()
	if ok {
		s.away()
	}
	return fd, ok
}

// away notes that the host waits elsewhere than in the poller.
func (s *Scheduler) away() {
	s.nested.Store(true)
	s.asleep.Store(true)
	if s.runnables() > 0 || s.posted.Load() {
		s.poller.Wake()
	}
}

// Next returns when a turn is due at the latest, for a host that computes its
// own timeout; false if only an event can bring that about. It is now if jobs
// are runnable, if something was posted, or if waits were changed between
// turns, and otherwise the time of the next timer. Loop only.
func (s *Scheduler) Next() (time.Time, bool) {
	if s.runnables() > 0 || len(s.dirty) > 0 || s.posted.Load() {
		return time.Now(), true
	}
	when := s.timers.next()
	if when == math.MaxInt64 {
		return time.Time{}, false
	}
	return s.epoch.Add(time.Duration(when)), true
}

// OnReady has fn called, on a goroutine of its own, whenever RunOnce(0) has
// something to do, timers and what the host did between turns included, and now
// and then for nothing: the way to embed a scheduler whose backend has no FD. fn
// should tell the host's loop and return; after each call the goroutine rests
// until RunOnce was called. Call OnReady once, before the first RunOnce, and not
// Run. After Close it returns ErrClosed.
func (s *Scheduler) OnReady(fn func()) error {
	if fn == nil {
		return errors.New("jobs: OnReady of a nil function")
	}
	if !s.running.CompareAndSwap(false, true) {
		return s.busy()
	}
	defer s.leave()
	if s.isClosed() {
		return ErrClosed
	}
	if s.ready != nil {
		return errors.New("jobs: OnReady was called already")
	}
	s.ready = &notifier{s: s, fn: fn, arm: make(chan time.Duration, 1), back: make(chan struct{}, 1)}
	go s.ready.watch()
	s.nested.Store(true)
	return nil
}

// notifier waits in the poller while the host is elsewhere. The poller has one
// waiter, so whoever runs a turn calls it back first.
type notifier struct {
	s       *Scheduler
	fn      func()
	arm     chan time.Duration // how long to wait
	back    chan struct{}      // it is out of the poller, with n events or err
	n       int
	err     error
	wanted  atomic.Bool // it was called back: fn need not be told
	waiting bool        // it may be in the poller; of whoever runs a turn
}

func (r *notifier) watch() {
	for timeout := range r.arm {
		if r.n == 0 && r.err == nil { // else no turn has taken what it found
			r.n, r.err = r.s.poller.Wait(r.s.events, timeout)
		}
		tell := !r.wanted.Load()
		r.back <- struct{}{}
		if tell {
			r.fn()
		}
	}
}

// rearm sends the goroutine into the poller, after a turn.
func (r *notifier) rearm() {
	timeout := r.s.untilTimer()
	if r.s.runnables() > 0 {
		timeout = 0
	}
	r.waiting = true
	r.wanted.Store(false)
	r.arm <- timeout
}

// recall has the goroutine out of the poller, and reports whether it may have been
// there. It is woken only if it is not out already: a wake that nobody waits for
// would have fn told of it next time.
func (r *notifier) recall() bool {
	if r == nil || !r.waiting {
		return false
	}
	r.waiting = false
	select {
	case <-r.back:
	default:
		r.wanted.Store(true)
		r.s.poller.Wake()
		<-r.back
	}
	return true
}

// wakeHost has the host told of what it did between turns.
func (r *notifier) wakeHost() {
	if r != nil && r.waiting && !r.s.running.Load() {
		r.s.poller.Wake()
	}
}

// take is the poller's Wait, with what the goroutine found.
func (r *notifier) take(timeout time.Duration) (int, error) {
	r.recall()
	n, err := r.n, r.err
	if r.n, r.err = 0, nil; n > 0 || err != nil {
		return n, err
	}
	return r.s.poller.Wait(r.s.events, timeout)
}

func (r *notifier) stop() {
	if r != nil {
		r.recall()
		close(r.arm)
	}
}
