package jobnet

import (
	"math"
	"net"
	"time"

	"bide/jobs"
)

// started is what deadlines are counted from.
var started = time.Now()

// setDeadline stores t; the Watch is told by whoever calls. A nil half has no
// deadline, and needs none.
func (h *half) setDeadline(t time.Time) {
	if h == nil {
		return
	}
	d := int64(0)
	if !t.IsZero() {
		now := time.Now() // between the two, as t may have no monotonic reading
		since := now.Sub(started)
		d = max(int64(since+min(t.Sub(now), math.MaxInt64-since)), 1)
	}
	h.deadline.Store(d)
}

// applyDeadline tells the Watch.
func (h *half) applyDeadline() {
	if h == nil || h.w == (jobs.Watch{}) {
		return
	}
	t := time.Time{}
	if d := h.deadline.Load(); d != 0 {
		t = started.Add(time.Duration(d))
	}
	h.w.SetDeadline(t)
}

// nudge has whoever waits to read try again: they come back by a deadline that
// is not theirs.
func (k *socket) nudge() {
	if k.rd.w != (jobs.Watch{}) {
		k.nudges++
		k.drained = false
		k.rd.w.SetDeadline(started)
		k.rd.applyDeadline()
	}
}

// setDeadlines sets the deadlines of directions from any goroutine. Calls that
// begin later see them at once, waiting ones when the loop gets to it.
func (k *socket) setDeadlines(t time.Time, halves ...*half) error {
	if k.life.isClosed() {
		return net.ErrClosed
	}
	for _, h := range halves {
		h.setDeadline(t)
	}
	if !k.s.Post(func() {
		if k.life.isClosed() {
			return // what is left to send has a deadline of its own
		}
		for _, h := range halves {
			h.applyDeadline()
		}
	}) {
		return net.ErrClosed
	}
	return nil
}

// setDeadlinesNow is setDeadlines on the loop.
func (k *socket) setDeadlinesNow(t time.Time, halves ...*half) error {
	if k.life.isClosed() {
		return net.ErrClosed
	}
	for _, h := range halves {
		h.setDeadline(t)
		h.applyDeadline()
	}
	return nil
}

// outFor is out for a deadline of t: nil if there is none yet and t is no
// deadline.
func (k *socket) outFor(t time.Time) *half {
	if t.IsZero() && k.wr.Load() == nil {
		return nil
	}
	return k.out()
}
