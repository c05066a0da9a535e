//go:build linux

package epoll

import (
	"os"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// slot is one registration.
//
// The slots of one number form a chain, the living before the dead. The first
// living one is the head: the kernel holds its cookie, and its armed is the
// mask the kernel holds.
type slot struct {
	gen   uint32 // of the slot; part of the cookie
	next  uint32 // of the chain or the free list; 0 ends it
	fd    int32
	armed uint32 // meaningful in a head
	id    waitctx.ID
	token waitctx.Token

	interest   waitctx.Interest
	suppressed bool // silent until Rearm
	dead       bool // its file is gone; stays so until it is deleted
	queued     bool // in the backlog
}

// ref names a slot and its use, so that it can be told from a later use.
type ref struct{ index, gen uint32 }

// unknown is a mask the kernel never holds.
const unknown = ^uint32(0)

// disarmed is the mask of a chain that is suppressed as a whole. The kernel
// reports hang-up and error whatever the mask; with EPOLLONESHOT it does so
// once, where an empty mask would make a hung-up file spin.
const disarmed = unix.EPOLLONESHOT

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
	p.slots[i] = slot{gen: p.slots[i].gen + 1, next: p.free}
	p.free = i
}

// cookieLocked is what the kernel gives back with events of a slot.
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

// headLocked returns the slot that owns the kernel's registration of a number,
// or 0.
func (p *Poller) headLocked(fd int32) uint32 {
	if int(fd) >= len(p.byFD) {
		return 0
	}
	if i := p.byFD[fd]; i != 0 && !p.slots[i].dead {
		return i
	}
	return 0
}

// pushLocked makes a slot the first of its number.
func (p *Poller) pushLocked(i uint32) {
	fd := int(p.slots[i].fd)
	for fd >= len(p.byFD) {
		p.byFD = append(p.byFD, make([]uint32, max(64, fd+1-len(p.byFD)))...)
	}
	p.slots[i].next = p.byFD[fd]
	p.byFD[fd] = i
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

// promoteLocked returns the head of a number after a delete, or 0. As the
// living come first, it is where the chain starts.
func (p *Poller) promoteLocked(fd int32) uint32 { return p.headLocked(fd) }

// wantLocked is the mask a chain needs: what those listening are for.
func (p *Poller) wantLocked(head uint32) uint32 {
	mask, listening := uint32(0), false
	for i := head; i != 0 && !p.slots[i].dead; i = p.slots[i].next {
		if s := &p.slots[i]; !s.suppressed {
			mask |= maskOf(s.interest)
			listening = true
		}
	}
	if !listening {
		return disarmed
	}
	return mask
}

// armLocked tells the kernel a chain's mask, if it holds another one.
func (p *Poller) armLocked(head uint32) unix.Errno {
	s := &p.slots[head]
	want := p.wantLocked(head)
	if s.armed == want {
		return 0
	}
	errno := p.ctl(p.set, unix.EPOLL_CTL_MOD, int(s.fd), want, p.cookieLocked(head))
	if errno == 0 {
		s.armed = want
	}
	return errno
}

// flushLocked widens the masks that Rearm found too narrow.
func (p *Poller) flushLocked() {
	for _, fd := range p.rearms {
		if head := p.headLocked(fd); head != 0 && p.armLocked(head) != 0 {
			p.loseLocked(fd)
		}
	}
	p.rearms = p.rearms[:0]
}

// loseLocked declares the living slots of a number dead, as their file is not
// behind the number any more. A dup may keep it registered.
func (p *Poller) loseLocked(fd int32) {
	p.ghost = true
	for i := p.byFD[fd]; i != 0 && !p.slots[i].dead; i = p.slots[i].next {
		p.slots[i].dead = true
		if !p.slots[i].suppressed {
			p.tellClosedLocked(i)
		}
	}
}

// tellClosedLocked has the next Wait report ReadyClosed, or the one under way.
func (p *Poller) tellClosedLocked(i uint32) {
	p.queueLocked(i)
	p.wake.write()
}

// queueLocked puts a slot in the backlog, once.
func (p *Poller) queueLocked(i uint32) {
	if s := &p.slots[i]; !s.queued {
		s.queued = true
		p.backlog = append(p.backlog, ref{i, s.gen})
	}
}

// rebuildLocked moves all that lives to a new epoll set, and leaves ghosts
// behind. Only the waiter may call it, since it sleeps on the set.
//
// A MOD in the old set tells whether the number still means the file that was
// registered; an add alone would take in whatever has the number now.
func (p *Poller) rebuildLocked() error {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if errno := p.ctl(set, unix.EPOLL_CTL_ADD, p.wake.fd, wakeMask, 0); errno != 0 {
		unix.Close(set)
		return os.NewSyscallError("epoll_ctl", errno)
	}
	if p.outer >= 0 {
		if errno := p.ctl(p.outer, unix.EPOLL_CTL_ADD, set, unix.EPOLLIN, 0); errno != 0 {
			unix.Close(set)
			return os.NewSyscallError("epoll_ctl", errno)
		}
	}
	for fd := range p.byFD {
		head := p.headLocked(int32(fd))
		if head == 0 {
			continue
		}
		want, cookie := p.wantLocked(head), p.cookieLocked(head)
		errno := p.ctl(p.set, unix.EPOLL_CTL_MOD, fd, want, cookie)
		if errno == 0 {
			errno = p.ctl(set, unix.EPOLL_CTL_ADD, fd, want, cookie)
		}
		if errno != 0 {
			p.loseLocked(int32(fd))
			continue
		}
		p.slots[head].armed = want
	}
	unix.Close(p.set) // leaves the outer set by itself
	p.set = set
	p.ghost, p.run = false, 0
	p.stats.Rebuilds++
	return nil
}

// maskOf translates an interest to what epoll_ctl(2) is asked. Silent asks for
// nothing: EPOLLERR and EPOLLHUP come unasked.
func maskOf(i waitctx.Interest) uint32 {
	var mask uint32
	if i&waitctx.Readable != 0 {
		mask |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if i&waitctx.Writable != 0 {
		mask |= unix.EPOLLOUT
	}
	if i&waitctx.Priority != 0 {
		mask |= unix.EPOLLPRI
	}
	return mask
}

// readyOf translates what the kernel reported, and filters it by interest, as
// others may share the registration. Hang-up and error make a file readable
// and writable: no call on it blocks, and a pipe's end of file is EPOLLHUP
// alone.
func readyOf(events uint32, i waitctx.Interest) waitctx.Ready {
	var ready waitctx.Ready
	if events&unix.EPOLLERR != 0 {
		ready |= waitctx.ReadyErr
	}
	if events&unix.EPOLLHUP != 0 {
		ready |= waitctx.ReadyHup
	}
	over := events&(unix.EPOLLERR|unix.EPOLLHUP) != 0
	if i&waitctx.Readable != 0 {
		if over || events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
			ready |= waitctx.ReadyIn
		}
		if events&unix.EPOLLRDHUP != 0 {
			ready |= waitctx.ReadyRdHup
		}
	}
	if i&waitctx.Writable != 0 && (over || events&unix.EPOLLOUT != 0) {
		ready |= waitctx.ReadyOut
	}
	if i&waitctx.Priority != 0 && events&unix.EPOLLPRI != 0 {
		ready |= waitctx.ReadyPri
	}
	return ready
}
