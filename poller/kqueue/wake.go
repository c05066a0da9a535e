//go:build unix

package kqueue

import (
	"sync"
	"sync/atomic"

	"bide/internal/kqsys"
	"bide/waitctx"
)

// waker brings kevent(2) back.
//
// pending is set before the write and cleared by Wait when it sees the event,
// never by a timeout, so that no Wake is lost. An event that finds it clear is
// not a Wake: it is an interrupt of the poller's own.
type waker struct {
	pending atomic.Bool
	event   wakeEvent

	mu   sync.Mutex // keeps an interrupt from a number closed and used again
	shut bool
}

// wakeEvent is what a Wake becomes in the kernel: userEvent or pipeEvent.
type wakeEvent interface {
	change() kqsys.Event      // what registers it
	is(row *kqsys.Event) bool // whether a row is its
	write() error             // makes the row
	drain()                   // keeps the row from coming again, once it was seen
	close() error
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

func (w *waker) open(sys kqsys.Sys) (err error) {
	if sys.Caps().User {
		w.event = newUserEvent(sys)
		return nil
	}
	w.event, err = newPipeEvent()
	return err
}

// interrupt ends a sleep by one event.
func (w *waker) interrupt() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return waitctx.ErrClosed
	}
	return w.event.write()
}

// heard reports whether the event was a Wake. It drains first: a Wake that
// comes in between finds pending set, and this Wait returns for both.
func (w *waker) heard() bool {
	w.event.drain()
	return w.pending.Swap(false)
}

func (w *waker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = true
	return w.event.close()
}
