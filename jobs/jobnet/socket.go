package jobnet

import (
	"net"
	"os"
	"sync/atomic"
	"time"

	"bide/jobs"
	"bide/waitctx"
)

// socket is what a Conn and a Listener have in common: a descriptor on a
// scheduler's loop, and a Watch for each direction.
//
// Data goes through the descriptor on the loop alone. Other goroutines make only
// short system calls, by control. It is closed when neither they nor the poller
// hold it:
//
//	open ─Close→ closed ─teardown→ stopped ─deletes applied: dropped→ unwatched ─last release→ gone
//
// There is one for each connection at rest, so that its size counts. What each
// use of it touches comes first.
type socket struct {
	s    *jobs.Scheduler
	rd   half
	wr   atomic.Pointer[outward] // nil until it is needed: see out
	num  int32                   // see fd
	life life

	// These belong to the loop.
	stopped bool
	rdHeld  bool            // the poller may hold the registration of rd
	drained bool            // the last read took all there was
	streak  uint8           // calls that did not pause since one did
	nudges  uint8           // counted, so that a wait can tell that there was one
	edges   bool            // rd asks to be told of what comes, not of what is there: see reads
	unread  bool            // something was given back, and so nothing is drained
	rdctx   waitctx.WaitCtx // of rd, which every socket needs
}

// fd is the descriptor. Those of Windows fit too: only the lower 32 bits of a
// handle mean anything.
func (k *socket) fd() int { return int(k.num) }

// half is one direction. Each has a Watch of its own, since each is awaited by
// itself; the poller has them share the descriptor.
type half struct {
	w        jobs.Watch
	deadline atomic.Int64 // nanoseconds since started, 0 for none
}

// outward is the direction of writing, which seldom waits.
type outward struct {
	half
	ctx  waitctx.WaitCtx
	held bool       // the poller may hold the registration
	mu   jobs.Mutex // held by a call that writes, so that none is interleaved
}

// out returns the direction of writing, to wait for it or to give it a deadline.
// Any goroutine may call it.
func (k *socket) out() *half { return &k.outward().half }

func (k *socket) outward() *outward {
	o := k.wr.Load()
	if o == nil {
		k.wr.CompareAndSwap(nil, new(outward))
		o = k.wr.Load()
	}
	return o
}

// The keys of the waits, each the socket itself: no allocation, and a name for
// listings of jobs.
type (
	reading socket
	writing socket
)

func (*reading) String() string { return "read" }
func (*writing) String() string { return "write" }

// maxStreak is after how many calls that found the socket ready a job lets the
// others go on: a peer that sends without end must not hold the loop.
const maxStreak = 16

// watch registers a direction with the scheduler, once.
func (k *socket) watch(h *half) error { return k.watchUntil(h, dropped) }

// watchUntil is watch with a cleanup of the wait.
func (k *socket) watchUntil(h *half, cleanup func(any, waitctx.Wait)) error {
	if h.w != (jobs.Watch{}) {
		return nil
	}
	if k.stopped {
		return net.ErrClosed
	}
	key, interest, wc, held := any((*reading)(k)), k.reads(), &k.rdctx, &k.rdHeld
	if h != &k.rd {
		o := k.wr.Load()
		key, interest, wc, held = (*writing)(k), waitctx.Writable, &o.ctx, &o.held
	}
	w := waitctx.Wait{FD: waitctx.FD(k.fd()), Interest: interest, Kind: waitctx.Socket, Cleanup: cleanup}
	err := wc.Set(key, w)
	if err != nil {
		return err
	}
	if h.w, err = k.s.Watch(wc, nil); err != nil {
		wc.Clear(key)
		return err
	}
	*held = true
	if h == &k.rd { // of which nothing was told yet
		k.sawNoMore()
	}
	h.applyDeadline()
	return nil
}

// reads is the interest of the read direction. A plain TCP connection asks for
// edges, which have fewer of its peers wait for two rounds of a busy loop: recv sees
// when there is nothing left.
func (k *socket) reads() waitctx.Interest {
	if k.edges {
		return waitctx.Readable | waitctx.Edge
	}
	return waitctx.Readable
}

// sawNoMore notes that there is nothing to read but what is not told yet.
func (k *socket) sawNoMore() {
	if k.edges {
		k.rd.w.SetDrained()
	}
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
		sysClose(k.fd())
		return net.ErrClosed
	}
	return nil
}

// dropped is the cleanup of both waits: the poller has let go of one.
func dropped(key any, _ waitctx.Wait) {
	switch key := key.(type) {
	case *reading:
		k := (*socket)(key)
		k.rdHeld = false
		k.letGo()
	case *writing:
		k := (*socket)(key)
		k.wr.Load().held = false
		k.letGo()
	}
}

// letGo is called when the poller no longer holds a direction. If nobody asked
// for that, the kernel refused the registration, or the scheduler is being
// closed; either ends the other direction too.
func (k *socket) letGo() {
	if !k.stopped {
		k.life.close()
		if k.s.Post(k.teardown) {
			return
		}
	}
	if k.unwatch(); !k.isHeld() { // by a scheduler that was closed
		k.stopped = true
	}
}

// teardown ends both directions: paused calls return, and the descriptor is
// closed once the deletes have been applied.
func (k *socket) teardown() {
	if k.stopped {
		return
	}
	k.stopped = true
	k.life.close()
	k.rd.w.Stop()
	if o := k.wr.Load(); o != nil {
		o.w.Stop()
	}
	k.unwatch()
}

// isHeld reports whether the poller holds the descriptor.
func (k *socket) isHeld() bool {
	o := k.wr.Load()
	return k.rdHeld || o != nil && o.held
}

// unwatch closes the descriptor if neither the poller nor a goroutine holds it.
func (k *socket) unwatch() {
	if k.isHeld() {
		return
	}
	k.dropUnread()
	if k.life.unwatch() {
		sysClose(k.fd())
	}
}

// control runs a short system call from any goroutine.
func (k *socket) control(fn func(fd int) error) error {
	if err := k.life.acquire(); err != nil {
		return err
	}
	defer func() {
		if k.life.release() {
			sysClose(k.fd())
		}
	}()
	return fn(k.fd())
}

// closeLater is Close from anywhere. It reports whether it was the first.
func (k *socket) closeLater() bool {
	if !k.life.close() {
		return false
	}
	k.s.Post(k.teardown) // refused by a closed scheduler, which does it itself
	return true
}

// closeNow is Close on the loop.
func (k *socket) closeNow() bool {
	if !k.life.close() {
		return false
	}
	k.teardown()
	return true
}

// checkWrite says whether a call that writes may go on.
func (k *socket) checkWrite() error {
	o := k.wr.Load()
	if o == nil { // and so without a deadline
		if k.life.isClosed() {
			return k.closedError()
		}
		return nil
	}
	return k.check(&o.half)
}

// check says whether a call on this direction may go on.
func (k *socket) check(h *half) error {
	if k.life.isClosed() {
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
	if o := k.wr.Load(); o != nil {
		if err := o.ctx.Err((*writing)(k)); err != nil {
			return err
		}
	}
	return net.ErrClosed
}

// wait pauses j until the direction may be ready.
func (k *socket) wait(j jobs.Job, h *half) error {
	k.streak = 0
	err, nudges := k.watch(h), k.nudges
	if err == nil {
		err = h.w.Wait(j)
	}
	switch {
	case err == nil:
		return nil
	case k.life.isClosed():
		return k.closedError()
	case err == os.ErrDeadlineExceeded && k.nudges != nudges:
		return k.check(h)
	}
	return waitError(err)
}

// breathe is called before a call that may not pause, and pauses j every so
// many times to let the others go on. It refuses a job of another loop, which must
// not touch the socket even if it need not pause.
func (k *socket) breathe(j jobs.Job) error {
	if j.Scheduler() != k.s {
		return foreign(j)
	}
	if k.tired() {
		return k.rest(j)
	}
	return nil
}

// tired counts a call, and reports whether the others should go on.
func (k *socket) tired() bool {
	k.streak++
	return k.streak >= maxStreak
}

func (k *socket) rest(j jobs.Job) error {
	k.streak = 0
	return waitError(j.Sleep(0))
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
