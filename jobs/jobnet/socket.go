package jobnet

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bide/jobs"
	"bide/waitctx"
)

// socket is what a Conn and a Listener have in common: a descriptor on a
// scheduler's loop, and a Watch for each direction.
//
// Data goes through fd on the loop alone. Other goroutines make only short
// system calls, between acquire and release. The descriptor is closed when
// neither they nor the poller hold it:
//
//	open ─Close→ closed ─teardown→ stopped ─deletes applied: dropped→ unwatched ─last release→ gone
type socket struct {
	s      *jobs.Scheduler
	fd     int
	closed atomic.Bool // calls fail from now on

	// These belong to the loop.
	stopped bool
	rd, wr  half
	rdctx   waitctx.WaitCtx // of rd, which every socket needs

	mu        sync.Mutex // guards what follows
	users     int32      // between acquire and release
	unwatched bool
}

// half is one direction. Each has a Watch of its own, since each is awaited by
// itself; the poller has them share the descriptor. Writing seldom waits, so its
// context is made when it does for the first time.
type half struct {
	wc       *waitctx.WaitCtx
	w        jobs.Watch
	deadline atomic.Int64 // nanoseconds since started, 0 for none
	held     bool         // the poller may hold the registration
	drained  bool         // the last read took all there was
	streak   uint8        // calls that did not pause since one did
	nudges   uint8        // counted, so that a wait can tell that there was one
}

// The keys of the waits, each the socket itself: no allocation, and a name for
// listings of jobs.
type (
	reading socket
	writing socket
)

// maxStreak is after how many calls that found the socket ready a job lets the
// others go on: a peer that sends without end must not hold the loop.
const maxStreak = 16

var started = time.Now()

// setDeadline stores t; the Watch is told by whoever calls.
func (h *half) setDeadline(t time.Time) {
	d := int64(0)
	if !t.IsZero() {
		d = max(int64(t.Sub(started)), 1)
	}
	h.deadline.Store(d)
}

// applyDeadline tells the Watch.
func (h *half) applyDeadline() {
	if h.w == (jobs.Watch{}) {
		return
	}
	t := time.Time{}
	if d := h.deadline.Load(); d != 0 {
		t = started.Add(time.Duration(d))
	}
	h.w.SetDeadline(t)
}

// nudge has whoever waits try again: they come back by a deadline that is not
// theirs.
func (h *half) nudge() {
	if h.w != (jobs.Watch{}) {
		h.nudges++
		h.drained = false
		h.w.SetDeadline(started)
		h.applyDeadline()
	}
}

// watch registers a direction with the scheduler, once.
func (k *socket) watch(h *half) error {
	if h.w != (jobs.Watch{}) {
		return nil
	}
	if k.stopped {
		return net.ErrClosed
	}
	key, interest := any((*reading)(k)), waitctx.Readable
	if h.wc = &k.rdctx; h == &k.wr {
		key, interest = (*writing)(k), waitctx.Writable
		h.wc = new(waitctx.WaitCtx)
	}
	w := waitctx.Wait{FD: waitctx.FD(k.fd), Interest: interest, Kind: waitctx.Socket, Cleanup: dropped}
	err := h.wc.Set(key, w)
	if err != nil {
		return err
	}
	if h.w, err = k.s.Watch(h.wc, nil); err != nil {
		h.wc.Clear(key)
		return err
	}
	h.held = true
	h.applyDeadline()
	return nil
}

// start registers the read direction. A socket that is registered from the
// beginning is closed with its scheduler, whatever becomes of its owner.
func (k *socket) start() error {
	err := k.watch(&k.rd)
	if err != nil {
		k.teardown()
	}
	return err
}

// startLater is start for callers that may not be on the loop.
func (k *socket) startLater() error {
	if !k.s.Post(func() { k.start() }) {
		sysClose(k.fd)
		return net.ErrClosed
	}
	return nil
}

// dropped is the cleanup of both waits: the poller has let go of one.
func dropped(key any, _ waitctx.Wait) {
	switch key := key.(type) {
	case *reading:
		k := (*socket)(key)
		k.letGo(&k.rd)
	case *writing:
		k := (*socket)(key)
		k.letGo(&k.wr)
	}
}

// letGo notes that the poller no longer holds a direction. If nobody asked for
// that, the kernel refused the registration, or the scheduler is being closed;
// either ends the other direction too.
func (k *socket) letGo(h *half) {
	h.held = false
	if !k.stopped {
		k.closed.Store(true)
		if k.s.Post(k.teardown) {
			return
		}
	}
	k.unwatch()
}

// teardown ends both directions: paused calls return, and the descriptor is
// closed once the deletes have been applied.
func (k *socket) teardown() {
	if k.stopped {
		return
	}
	k.stopped = true
	k.closed.Store(true)
	k.rd.w.Stop()
	k.wr.w.Stop()
	k.unwatch()
}

// unwatch closes the descriptor if neither the poller nor a goroutine holds it.
func (k *socket) unwatch() {
	if k.rd.held || k.wr.held {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.unwatched {
		k.unwatched = true
		k.closeUnused()
	}
}

func (k *socket) closeUnused() {
	if k.unwatched && k.users == 0 {
		sysClose(k.fd)
	}
}

// acquire keeps the descriptor open until release.
func (k *socket) acquire() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed.Load() || k.unwatched {
		return net.ErrClosed
	}
	k.users++
	return nil
}

func (k *socket) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users--
	k.closeUnused()
}

// control runs a short system call from any goroutine.
func (k *socket) control(fn func(fd int) error) error {
	if err := k.acquire(); err != nil {
		return err
	}
	defer k.release()
	return fn(k.fd)
}

// closeLater is Close from anywhere. It reports whether it was the first.
func (k *socket) closeLater() bool {
	if k.closed.Swap(true) {
		return false
	}
	k.s.Post(k.teardown) // refused by a closed scheduler, which does it itself
	return true
}

// closeNow is Close on the loop.
func (k *socket) closeNow() bool {
	if k.closed.Swap(true) {
		return false
	}
	k.teardown()
	return true
}

// check says whether a call on this direction may go on.
func (k *socket) check(h *half) error {
	if k.closed.Load() {
		return k.closedError()
	}
	if d := h.deadline.Load(); d != 0 && int64(time.Since(started)) >= d {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// closedError says why the socket is closed: the kernel may have refused a
// registration.
func (k *socket) closedError() error {
	if err := k.rdctx.Err((*reading)(k)); err != nil {
		return err
	}
	if k.wr.wc != nil {
		if err := k.wr.wc.Err((*writing)(k)); err != nil {
			return err
		}
	}
	return net.ErrClosed
}

// wait pauses j until the direction may be ready.
func (k *socket) wait(j jobs.Job, h *half) error {
	h.streak = 0
	if j.Scheduler() != k.s {
		return errForeign
	}
	err, nudges := k.watch(h), h.nudges
	if err == nil {
		err = h.w.Wait(j)
	}
	switch {
	case err == nil:
		return nil
	case k.closed.Load():
		return k.closedError()
	case err == os.ErrDeadlineExceeded && h.nudges != nudges:
		return k.check(h)
	case errors.Is(err, jobs.ErrClosed):
		return net.ErrClosed
	}
	return err
}

// breathe is called before a call that may not pause, and pauses j every so
// many times to let the others go on.
func (k *socket) breathe(j jobs.Job, h *half) error {
	if h.streak++; h.streak < maxStreak {
		return nil
	}
	h.streak = 0
	return j.Sleep(0)
}

// run has a job do fn, and waits for it. It is what the calls of other
// goroutines stand on.
func (k *socket) run(fn func(jobs.Job)) error {
	done := make(chan struct{})
	j := k.s.Go(func(j jobs.Job) error {
		defer close(done)
		fn(j)
		return nil
	})
	if j == (jobs.Job{}) {
		return net.ErrClosed
	}
	<-done
	return nil
}

// setDeadlines sets the deadlines of directions from any goroutine. Calls that
// begin later see them at once, waiting ones when the loop gets to it.
func (k *socket) setDeadlines(t time.Time, halves ...*half) error {
	if k.closed.Load() {
		return net.ErrClosed
	}
	for _, h := range halves {
		h.setDeadline(t)
	}
	if !k.s.Post(func() {
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
	if k.closed.Load() {
		return net.ErrClosed
	}
	for _, h := range halves {
		h.setDeadline(t)
		h.applyDeadline()
	}
	return nil
}
