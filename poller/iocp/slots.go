package iocp

import "bide/waitctx"

// slot is one registration.
type slot struct {
	gen   uint32 // of the slot
	next  uint32 // of the chain or the free list; 0 ends it
	src   *source
	id    waitctx.ID
	token waitctx.Token

	interest   waitctx.Interest
	covered    bool  // the outstanding poll was submitted for it too
	suppressed bool  // silent until Rearm
	dead       bool  // its file is gone; stays so until it is deleted
	owed       bool  // a signal was consumed that it has not heard of
	queued     bool  // in the backlog
	err        error // why it is dead, if the file is not just closed
}

// source is a handle, and a chain of those registered for it.
type source struct {
	handle waitctx.FD
	kind   waitctx.Kind
	first  uint32
	queued bool // in line to be brought up to date

	base uintptr // of a socket: what polls name
	poll uint32  // the outstanding one, or 0

	wait  waitable // of a waitable
	place uint32   // in places
	armed bool     // its packet will come

	pipe int // index in pipes, of a pipe
}

// ref names a slot and its use, so that it can be told from a later use.
type ref struct{ index, gen uint32 }

// allocLocked takes a slot from the free list.
func (p *Poller) allocLocked() uint32 {
	i := p.free
	if i == 0 {
		p.slots = append(p.slots, slot{})
		return uint32(len(p.slots) - 1)
	}
	p.free = p.slots[i].next
	p.slots[i].next = 0
	return i
}

// releaseLocked puts a slot that is in no chain on the free list.
func (p *Poller) releaseLocked(i uint32) {
	p.slots[i] = slot{gen: p.slots[i].gen + 1, next: p.free}
	p.free = i
}

// findLocked returns the slot of a registration, or 0.
func (p *Poller) findLocked(fd waitctx.FD, id waitctx.ID) uint32 {
	src := p.byFD[fd]
	if src == nil {
		return 0
	}
	i := src.first
	for i != 0 && p.slots[i].id != id {
		i = p.slots[i].next
	}
	return i
}

// pushLocked makes a slot the first of its source.
func (p *Poller) pushLocked(src *source, i uint32) {
	p.slots[i].src = src
	p.slots[i].next = src.first
	src.first = i
}

// unlinkLocked takes a slot out of its chain.
func (p *Poller) unlinkLocked(i uint32) {
	at := &p.slots[i].src.first
	for *at != i {
		at = &p.slots[*at].next
	}
	*at = p.slots[i].next
	p.slots[i].next = 0
}

// sourceLocked returns the source of a handle, made if there is none. What is
// known of an earlier file of the same number does not count: if it differs,
// those registered for it are told so.
func (p *Poller) sourceLocked(c *waitctx.Change) (*source, error) {
	kind, base, err := p.sys.classify(c.FD, c.Kind)
	if err != nil {
		return nil, err
	}
	src := p.byFD[c.FD]
	if src != nil && src.kind == kind && src.base == base {
		if kind != waitctx.Waitable || src.wait.same(c.FD) {
			return src, nil
		}
	}
	fresh := &source{handle: c.FD, kind: kind, base: base}
	if err := p.openLocked(fresh); err != nil {
		return nil, err
	}
	if src != nil {
		p.loseLocked(src, nil)
		fresh.first, src.first = src.first, 0 // the dead, until they are deleted
		for i := fresh.first; i != 0; i = p.slots[i].next {
			p.slots[i].src = fresh
		}
		p.retireLocked(src)
	}
	p.byFD[c.FD] = fresh
	return fresh, nil
}

// openLocked prepares a source for its kind.
func (p *Poller) openLocked(src *source) error {
	switch src.kind {
	case waitctx.Waitable:
		return p.openWaitLocked(src)
	case waitctx.Pipe:
		src.pipe = len(p.pipes)
		p.pipes = append(p.pipes, src)
	}
	return nil
}

// retireLocked ends a source nobody is registered for. That of a socket stays
// until its poll's packet has come, so that no second one is submitted.
func (p *Poller) retireLocked(src *source) {
	if src.poll != 0 {
		p.cancelLocked(src.poll)
		return
	}
	p.dropSourceLocked(src)
}

// dropSourceLocked forgets a source.
func (p *Poller) dropSourceLocked(src *source) {
	switch src.kind {
	case waitctx.Waitable:
		p.closeWaitLocked(src)
	case waitctx.Pipe:
		last := p.pipes[len(p.pipes)-1]
		p.pipes[src.pipe], last.pipe = last, src.pipe
		p.pipes = p.pipes[:len(p.pipes)-1]
	}
	if p.byFD[src.handle] == src {
		delete(p.byFD, src.handle)
	}
}

// loseLocked declares all that is registered for a source dead.
func (p *Poller) loseLocked(src *source, err error) {
	for i := src.first; i != 0; i = p.slots[i].next {
		p.buryLocked(i, err)
	}
}

// buryLocked declares one registration dead.
func (p *Poller) buryLocked(i uint32, err error) {
	s := &p.slots[i]
	if s.dead {
		return
	}
	s.dead, s.err = true, err
	if !s.suppressed {
		p.queueLocked(i)
	}
}

// queueLocked has the next Wait, or the one under way, report a slot that is
// dead, owed a signal, or ready without a place in dst. Once.
func (p *Poller) queueLocked(i uint32) {
	if s := &p.slots[i]; !s.queued {
		s.queued = true
		p.backlog = append(p.backlog, ref{i, s.gen})
		p.interruptLocked()
	}
}

// queueUpdateLocked puts a source in line, once. The waiter gets to it before it
// sleeps again.
func (p *Poller) queueUpdateLocked(src *source) {
	if !src.queued && src.kind != waitctx.Pipe {
		src.queued = true
		p.updates = append(p.updates, src)
	}
}

// flushLocked brings every source in line up to date. Only the waiter may call
// it.
func (p *Poller) flushLocked() {
	for at := 0; at < len(p.updates); at++ {
		src := p.updates[at]
		p.updates[at] = nil
		src.queued = false
		switch {
		case src.first == 0:
		case src.kind == waitctx.Waitable:
			p.updateWaitLocked(src)
		default:
			p.updateLocked(src)
		}
	}
	p.updates = p.updates[:0]
}
