//go:build linux

package iouring

import (
	"os"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// slot is one registration and its poll.
//
//	resting: no poll, not queued        suppressed, or its number was closed
//	queued:  in rearms                  the next Wait arms it
//	armed:   a poll is in the ring      its completion queues it
//
// A poll that keeps listening after its first completion may be queued too.
type slot struct {
	gen   uint32 // of the slot; part of the cookie
	next  uint32 // of the chain or the free list; 0 ends it
	fd    int32
	armed uint32 // the mask of the poll; 0 if there is none
	id    waitctx.ID
	token waitctx.Token

	interest   waitctx.Interest
	suppressed bool // silent until Rearm
	queued     bool
	keeps      bool       // its poll keeps listening; see deaf
	errno      unix.Errno // why the kernel refused its poll
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

// releaseLocked puts a slot that is in no chain on the free list. From here on
// its cookie is stale.
func (p *Poller) releaseLocked(i uint32) {
	p.abandonLocked(i)
	p.slots[i] = slot{gen: p.slots[i].gen + 1, next: p.free}
	p.free = i
}

// cookieLocked is what the kernel gives back with completions of a slot.
func (p *Poller) cookieLocked(i uint32) uint64 {
	return uint64(p.slots[i].gen)<<32 | uint64(i)
}

// findLocked returns the slot of a registration, or 0.
func (p *Poller) findLocked(fd waitctx.FD, id waitctx.ID) uint32 {
	if fd >= waitctx.FD(len(p.byFD)) {
		return 0
	}
	i := p.byFD[fd]
	for i != 0 && p.slots[i].id != id {
		i = p.slots[i].next
	}
	return i
}

// growLocked makes the table by number reach a number, if that is open: a wild
// one must not make it huge.
func (p *Poller) growLocked(fd int32) error {
	if int(fd) < len(p.byFD) {
		return nil
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	p.byFD = append(p.byFD, make([]uint32, max(64, len(p.byFD), int(fd)+1-len(p.byFD)))...)
	return nil
}

// pushLocked makes a slot the first of its number.
func (p *Poller) pushLocked(i uint32) {
	head := &p.byFD[p.slots[i].fd]
	p.slots[i].next = *head
	*head = i
}

// unlinkLocked takes a slot out of its chain.
func (p *Poller) unlinkLocked(i uint32) {
	at := &p.byFD[p.slots[i].fd]
	for *at != i {
		at = &p.slots[*at].next
	}
	*at = p.slots[i].next
	p.slots[i].next = 0
}

// queueLocked has the next Wait arm a slot, or the one under way.
func (p *Poller) queueLocked(i uint32) {
	if s := &p.slots[i]; !s.queued {
		s.queued = true
		p.rearms = append(p.rearms, ref{i, s.gen})
	}
}

// abandonLocked cancels the poll of a slot, if it has one. Its cookie is stale
// from here on, and the last completion that bears it says that the kernel has
// let go of the file.
//
// IORING_OP_POLL_REMOVE would not do: to a poll that is just being looked at it
// answers EALREADY, and may leave it armed.
func (p *Poller) abandonLocked(i uint32) {
	s := &p.slots[i]
	if s.armed == 0 {
		return
	}
	p.cancels = append(p.cancels, p.cookieLocked(i))
	p.leaving++
	s.gen++
	s.armed, s.keeps, s.queued = 0, false, false
}

// stageLocked makes requests of what is to be canceled, of what was added, and
// of at most limit of the rearms, the oldest first, as far as there is room. It
// reports whether some of this is left.
func (p *Poller) stageLocked(limit int) (more bool) {
	p.adds = p.stageRefsLocked(p.adds, len(p.adds))
	n := len(p.rearms)
	p.rearms = p.stageRefsLocked(p.rearms, limit)
	more = len(p.adds) > 0 || limit > 0 && n > 0 && len(p.rearms) > 0
	at := 0 // last, as arming may cancel
	for ; at < len(p.cancels) && p.ring.push(cancel(p.cancels[at])); at++ {
	}
	p.cancels = p.cancels[:copy(p.cancels, p.cancels[at:])]
	return more || len(p.cancels) > 0
}

// stageRefsLocked makes requests of at most limit refs, and returns the others.
// What is suppressed comes to rest.
func (p *Poller) stageRefsLocked(refs []ref, limit int) []ref {
	at := 0
	for ; at < len(refs) && limit > 0 && p.ring.room() > 0; at++ {
		i := refs[at].index
		s := &p.slots[i]
		if s.gen != refs[at].gen {
			continue
		}
		s.queued = false
		if s.suppressed {
			continue
		}
		p.abandonLocked(i) // one that keeps listening
		p.ring.push(p.pollLocked(i))
		limit--
	}
	return refs[:copy(refs, refs[at:])]
}

// pollLocked is the request that arms a slot.
func (p *Poller) pollLocked(i uint32) sqe {
	s := &p.slots[i]
	s.armed, s.errno = maskOf(s.interest), 0
	e := sqe{opcode: opPollAdd, fd: s.fd, userData: p.cookieLocked(i)}
	e.setMask(s.armed)
	if s.keeps {
		e.len = pollAddMulti
	}
	return e
}

// cancel is the request that cancels a poll. It completes only if there is
// none, and then nobody is to hear of it.
func cancel(cookie uint64) sqe {
	return sqe{opcode: opAsyncCancel, flags: sqeSkipSuccess, addr: cookie}
}

// flushLocked arms what was added, and at most limit of the rearms, and cancels
// what is to be canceled. What completes meanwhile is left in the ring, for
// whoever sleeps on it, unless it is to be noted.
func (p *Poller) flushLocked(limit int, note bool) unix.Errno {
	for {
		more := p.stageLocked(limit)
		if p.ring.staged() == 0 && !more {
			return 0
		}
		if errno := p.submitLocked(); errno != 0 {
			return errno
		}
		if note {
			p.noteLocked()
		}
	}
}

// submitLocked hands the staged requests over, and looks for completions that
// had no place.
func (p *Poller) submitLocked() unix.Errno {
	if p.ring.staged() == 0 && !p.ring.overflown() {
		return 0
	}
	p.stats.Enters++
	errno := p.ring.submit(&p.submitArg)
	if errno == unix.EBADR {
		p.resyncLocked()
		return 0
	}
	return errno
}
