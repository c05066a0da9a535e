//go:build linux

package epoll

import (
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// slot is one registration. It is 32 bytes long, so that what an event needs
// lies in one cache line.
//
// The slots of one number form a chain, the living before the dead. The first
// living one is the head: the kernel holds its cookie.
type slot struct {
	gen   uint32 // of the cookie: counts the slot's uses and its losses of headship
	next  uint32 // of the chain or the free list; 0 ends it
	token waitctx.Token
	id    waitctx.ID
	fd    int32

	interest waitctx.Interest
	armed    waitctx.Interest // of a head: what the kernel was told, disarmed, or unknown
	flags    flags
}

type flags uint8

const (
	suppressed flags = 1 << iota // silent until Rearm
	dead                         // its file is gone; stays so until it is deleted
	queued                       // in the backlog
)

func (s *slot) is(f flags) bool { return s.flags&f != 0 }

func (s *slot) name() name { return name{s.fd, s.id} }

// name tells registrations apart.
type name struct {
	fd int32
	id waitctx.ID
}

// link is a slot in a chain of several, and the one before it; 0 for none. Such
// are found by name: thousands may wait for one descriptor.
type link struct{ index, prior uint32 }

// ref names a slot and its cookie, so that it can be told from a later use.
type ref struct{ index, gen uint32 }

const (
	// asked are the interests that epoll_ctl(2) is told of.
	asked = waitctx.Readable | waitctx.Writable | waitctx.Priority

	// edge is beside them, if all who listen at a number agree to it.
	edge = waitctx.Edge

	// disarmed is what a chain needs that is suppressed as a whole.
	disarmed waitctx.Interest = 1 << 6

	// unknown is what the kernel never holds.
	unknown waitctx.Interest = 1 << 7
)

// allocLocked takes a slot from the free list.
func (p *Poller) allocLocked() uint32 {
	i := p.free
	if i == 0 {
		return p.slots.Add()
	}
	s := p.slots.At(i)
	p.free, s.next = s.next, 0
	return i
}

// releaseLocked puts a slot that is in no chain on the free list. From here on
// its cookie is stale.
func (p *Poller) releaseLocked(i uint32) {
	s := p.slots.At(i)
	*s = slot{gen: s.gen + 1, next: p.free}
	p.free = i
}

// renewLocked makes a slot's cookie stale, but not what the backlog holds.
func (p *Poller) renewLocked(i uint32) {
	s := p.slots.At(i)
	s.gen++
	if s.is(queued) {
		s.flags &^= queued
		p.queueLocked(i)
	}
}

// cookieLocked is what the kernel gives back with events of a slot.
func (p *Poller) cookieLocked(i uint32) uint64 {
	return uint64(p.slots.At(i).gen)<<32 | uint64(i)
}

// findLocked returns the slot of a registration, or 0.
func (p *Poller) findLocked(fd waitctx.FD, id waitctx.ID) uint32 {
	if fd >= waitctx.FD(p.byFD.Len()) {
		return 0
	}
	i := *p.byFD.At(uint32(fd))
	if i == 0 || p.slots.At(i).id == id {
		return i
	}
	return p.links[name{int32(fd), id}].index
}

// headLocked returns the slot that owns the kernel's registration of a number,
// or 0.
func (p *Poller) headLocked(fd int32) uint32 {
	if uint32(fd) >= p.byFD.Len() {
		return 0
	}
	if i := *p.byFD.At(uint32(fd)); i != 0 && !p.slots.At(i).is(dead) {
		return i
	}
	return 0
}

// pushLocked makes a slot the first of its number.
func (p *Poller) pushLocked(i uint32) {
	s := p.slots.At(i)
	for uint32(s.fd) >= p.byFD.Len() {
		p.byFD.Add()
	}
	first := p.byFD.At(uint32(s.fd))
	s.next, *first = *first, i
	if s.next != 0 {
		p.linkLocked(s.next, i)
		p.linkLocked(i, 0)
	}
}

// linkLocked says what is before a slot of a chain of several.
func (p *Poller) linkLocked(i, prior uint32) {
	if p.links == nil {
		p.links = make(map[name]link)
	}
	p.links[p.slots.At(i).name()] = link{i, prior}
}

// unlinkLocked takes a slot out of its chain.
func (p *Poller) unlinkLocked(i uint32) {
	s := p.slots.At(i)
	first := p.byFD.At(uint32(s.fd))
	prior, next := p.links[s.name()].prior, s.next
	s.next = 0
	if prior == 0 {
		*first = next
	} else {
		p.slots.At(prior).next = next
	}
	if prior|next == 0 {
		return
	}
	delete(p.links, s.name())
	if next != 0 {
		p.linkLocked(next, prior)
	}
	if rest := p.slots.At(*first); rest.next == 0 {
		delete(p.links, rest.name())
	}
	if len(p.links) == 0 {
		p.links = nil
	}
}

// wantLocked is what a chain needs from a slot on: what all those listening do. It
// cannot be more than most, if that is known.
func (p *Poller) wantLocked(i uint32, most waitctx.Interest) waitctx.Interest {
	want := disarmed
	for i != 0 && want != most {
		s := p.slots.At(i)
		if s.is(dead) {
			break
		}
		if !s.is(suppressed) {
			want = merge(want, s.interest&(asked|edge))
		}
		i = s.next
	}
	return want
}

// merge is what two need who share a registration: edges only if they do for both.
func merge(a, b waitctx.Interest) waitctx.Interest {
	switch {
	case a == disarmed:
		return b
	case b == disarmed:
		return a
	}
	return (a|b)&asked | a&b&edge
}

// armLocked tells the kernel what a chain needs, if it holds something else.
func (p *Poller) armLocked(head uint32) unix.Errno {
	return p.armForLocked(head, p.wantLocked(head, unknown))
}

func (p *Poller) armForLocked(head uint32, want waitctx.Interest) unix.Errno {
	s := p.slots.At(head)
	if s.armed == want {
		return 0
	}
	errno := p.ctl(p.set, unix.EPOLL_CTL_MOD, int(s.fd), maskOf(want), p.cookieLocked(head))
	if errno == 0 {
		s.armed = want
	}
	return errno
}

// forgetArmedLocked has the next armLocked tell the kernel in any case, which looks
// then whether what is registered for edges is ready already.
func (p *Poller) forgetArmedLocked(head uint32) {
	if s := p.slots.At(head); s.armed&edge != 0 {
		s.armed = unknown
	}
}

// levelLocked has a chain told as long as it is ready, until a modify asks for edges
// once more: what each slot asked for is changed.
func (p *Poller) levelLocked(head uint32) unix.Errno {
	for i := head; i != 0; i = p.slots.At(i).next {
		p.slots.At(i).interest &^= edge
	}
	return p.armLocked(head)
}

// tellClosedLocked has the next Wait report ReadyClosed, or the one under way.
func (p *Poller) tellClosedLocked(i uint32) {
	p.queueLocked(i)
	p.wake.interrupt()
}

// queueLocked puts a slot in the backlog, once.
func (p *Poller) queueLocked(i uint32) {
	if s := p.slots.At(i); !s.is(queued) {
		s.flags |= queued
		p.backlog = append(p.backlog, ref{i, s.gen})
	}
}
