package main

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
	minSweep   = 10 * time.Millisecond
	bufferSize = 32 << 10
	maxBuffers = 4 // kept by an idle loop

	acceptsPerRun = 64
)

// loop is one scheduler with its listener. But for the counters its fields
// belong to the loop's goroutine.
type loop struct {
	*proxy
	sched    *jobs.Scheduler
	listener *jobnet.Listener
	conns    connList                   // with -idle-timeout the least active first
	buffers  [][]byte                   // free
	waiting  atomic.Pointer[jobs.Waker] // of the accepting job, while it waits for a connection to close
	stopping bool
	fresh    []*conn // have said hello, and wait for their handshake to begin
	shaking  bool    // the job that begins them is live
	sweeping bool    // a sweep is to come
	counters
}

var started = time.Now()

// now is the time in nanoseconds since the proxy was started: a third of a
// time.Time.
func (l *loop) now() int64 { return int64(time.Since(started)) }

func (l *loop) since(t int64) time.Duration { return time.Duration(l.now() - t) }

// counters may be read from any goroutine.
type counters struct {
	accepted, closed, acceptErrors atomic.Uint64
	handshakeErrors, backendErrors failures
	bytesUp, bytesDown             atomic.Uint64
}

func newLoop(p *proxy, s *jobs.Scheduler, listener *jobnet.Listener) *loop {
	l := &loop{proxy: p, sched: s, listener: listener}
	listener.Watch().SetFunc(l.accept)
	return l
}

// accept is started when connections wait at the listener, and begins a job for
// each of them. When accepting fails, most likely for want of descriptors, it
// tries again later.
func (l *loop) accept(j jobs.Job) error {
	j.SetName("accept")
	backoff := minBackoff
	for range acceptsPerRun {
		if err := l.yieldDescriptors(j); err != nil {
			return err
		}
		raw, err := l.listener.TryAccept()
		switch {
		case err == nil:
			backoff = minBackoff
			if err := l.slot(j); err != nil {
				return raw.Close()
			}
			l.begin(raw)
		case errors.Is(err, jobnet.ErrWouldBlock), errors.Is(err, net.ErrClosed):
			return nil
		default:
			l.acceptErrors.Add(1)
			if err := j.Sleep(backoff); err != nil {
				return err
			}
			backoff = min(2*backoff, maxBackoff)
		}
	}
	return nil
}

// yieldDescriptors pauses the accepting job while clients wait for descriptors.
func (l *loop) yieldDescriptors(j jobs.Job) error {
	for backoff := minBackoff; l.starved.Load() > 0; backoff = min(2*backoff, maxBackoff) {
		if err := j.Sleep(backoff); err != nil {
			return err
		}
	}
	return nil
}

// slot pauses the accepting job while there are -max-conns connections. Those
// that come meanwhile wait in the listener's backlog.
func (l *loop) slot(j jobs.Job) error {
	if l.admitted() {
		return nil
	}
	waker := j.Waker()
	l.waiting.Store(&waker) // before the second look, so that no wake is missed
	defer l.waiting.Store(nil)
	for !l.admitted() {
		if l.stopping {
			return net.ErrClosed
		}
		if err := j.Park(); err != nil {
			return err
		}
	}
	return nil
}

// slotFree lets the accepting job look again. Any goroutine may call it.
func (l *loop) slotFree() {
	if waker := l.waiting.Load(); waker != nil {
		waker.Wake()
	}
}

// begin starts the job of a connection that was admitted.
func (l *loop) begin(raw *jobnet.Conn) {
	l.accepted.Add(1)
	c := &conn{loop: l, raw: raw, active: l.now()}
	l.conns.pushBack(c)
	l.sweepIn(l.idleTimeout)
	w := raw.ReadWatch()
	w.SetFunc(c.hello)
	if l.handshakeTimeout > 0 {
		w.SetDeadline(time.Now().Add(l.handshakeTimeout))
	}
}

// borrow lends a buffer to a direction while its job is active. A direction
// that pauses keeps its own; the others find another. Last in, first out: a
// loop whose directions do not pause uses one.
func (l *loop) borrow() []byte {
	if n := len(l.buffers); n > 0 {
		b := l.buffers[n-1]
		l.buffers = l.buffers[:n-1]
		return b
	}
	return make([]byte, bufferSize)
}

func (l *loop) giveBack(b []byte) {
	if len(l.buffers) < maxBuffers {
		l.buffers = append(l.buffers, b)
	}
}

// sweepIn has the loop swept in a while, if that is not due already: one timer
// serves all its connections.
func (l *loop) sweepIn(d time.Duration) {
	if l.idleTimeout > 0 && !l.sweeping {
		l.sweeping = true
		time.AfterFunc(max(d, minSweep), func() { l.sched.Post(l.sweep) })
	}
}

// sweep cuts the connections that were idle for too long, and comes again when the
// next may be, if there is one.
func (l *loop) sweep() {
	l.sweeping = false
	for c := l.conns.front; c != nil; c = l.conns.front {
		if left := l.idleTimeout - l.since(c.active); left > 0 {
			l.sweepIn(left)
			return
		}
		c.abort()
	}
}
