package iocp

import (
	"sync"
	"sync/atomic"

	"bide/waitctx"
)

// waker brings GetQueuedCompletionStatusEx back by a packet of its own.
//
// pending is set before the post and cleared by Wait when it sees the packet,
// never by a timeout, so that no Wake is lost. A packet that finds it clear is
// not a Wake: it is an interrupt of the poller's own, for changes the waiter has to see.
type waker struct {
	sys     system
	pending atomic.Bool

	mu   sync.Mutex // guards what follows, and keeps an interrupt from a handle closed and used again
	shut bool
}

// Wake ends a Wait, as [bide/poller.Poller] has it.
func (p *Poller) Wake() error {
	if p.closed.Load() {
		return waitctx.ErrClosed
	}
	if !p.wake.pending.CompareAndSwap(false, true) {
		return nil
	}
	err := p.wake.interrupt()
	if err != nil {
		p.wake.pending.Store(false)
	}
	return err
}

// interrupt ends a sleep by one packet.
func (w *waker) interrupt() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return waitctx.ErrClosed
	}
	return w.sys.post(keyWake, 0)
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = true
}

// interruptLocked has the waiter look at what changed. One that is not asleep
// looks by itself.
func (p *Poller) interruptLocked() {
	if p.asleep && !p.interrupted {
		p.interrupted = p.wake.interrupt() == nil
	}
}
