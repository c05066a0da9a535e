//go:build linux

package epoll

import (
	"os"

	"golang.org/x/sys/unix"
)

// loseLocked declares the living slots of a number dead, as their file is not
// behind the number any more. A dup may keep it registered.
func (p *Poller) loseLocked(fd int32) {
	p.ghost = true
	for i := *p.byFD.At(uint32(fd)); i != 0; {
		s := p.slots.At(i)
		if s.is(dead) {
			break
		}
		s.flags |= dead
		if !s.is(suppressed) {
			p.tellClosedLocked(i)
		}
		i = s.next
	}
}

// rebuildLocked moves all that lives to a new epoll set, and leaves ghosts
// behind. Only the waiter may call it, since it sleeps on the set.
//
// A delete from the old set tells whether the number still means a file that
// is registered; an add alone would take in whatever has the number now. It
// also keeps what the user has registered in all below
// /proc/sys/fs/epoll/max_user_watches.
func (p *Poller) rebuildLocked() error {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if errno := p.addOwn(set); errno != 0 {
		unix.Close(set)
		return os.NewSyscallError("epoll_ctl", errno)
	}
	if p.outer >= 0 {
		if errno := p.ctl(p.outer, unix.EPOLL_CTL_ADD, set, unix.EPOLLIN, 0); errno != 0 {
			unix.Close(set)
			return os.NewSyscallError("epoll_ctl", errno)
		}
	}
	for fd := range p.byFD.Len() {
		if head := p.headLocked(int32(fd)); head != 0 {
			p.moveLocked(set, head)
		}
	}
	p.parked.Close()
	unix.Close(p.set) // leaves the outer set by itself
	p.set = set
	p.ghost, p.run = false, 0
	p.stats.Rebuilds++
	return nil
}

// moveLocked moves a chain to a new epoll set.
func (p *Poller) moveLocked(set int, head uint32) {
	s := p.slots.At(head)
	want, cookie := p.wantLocked(head, unknown), p.cookieLocked(head)
	errno := p.ctl(p.set, unix.EPOLL_CTL_DEL, int(s.fd), 0, 0)
	if errno == 0 {
		errno = p.ctl(set, unix.EPOLL_CTL_ADD, int(s.fd), maskOf(want), cookie)
	}
	if errno != 0 {
		p.loseLocked(s.fd)
		return
	}
	s.armed = want
}
