//go:build linux

package iouring

import "bide/waitctx"

// Wake ends a Wait, as [bide/poller.Poller] has it.
//
// What wakes is the completion of a request that does nothing. An eventfd(2)
// would take a descriptor, and a poll that completes on the thread which armed
// it; this one completes on the caller's. IORING_OP_MSG_RING, to the same ring,
// would do no more.
func (p *Poller) Wake() error {
	if p.closed.Load() {
		return waitctx.ErrClosed
	}
	if p.woken.Load() {
		return nil
	}
	p.lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return waitctx.ErrClosed
	}
	if !p.woken.Swap(true) && (p.waiting || p.nested) {
		p.interruptLocked()
	}
	return nil
}

// interruptLocked ends a sleep by a completion that is for nobody.
func (p *Poller) interruptLocked() {
	for !p.ring.push(sqe{opcode: opNop}) {
		if p.submitLocked() != 0 {
			return // what fills the ring is going to complete
		}
	}
	p.submitLocked()
}
