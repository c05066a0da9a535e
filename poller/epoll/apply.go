//go:build linux

package epoll

import (
	"errors"
	"math"
	"os"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// applyLocked carries out one change.
func (p *Poller) applyLocked(c *waitctx.Change) error {
	if p.closed.Load() {
		if c.Op == waitctx.OpDelete { // nothing is held any more
			return nil
		}
		return waitctx.ErrClosed
	}
	i := p.findLocked(c.FD, c.ID)
	if c.Op == waitctx.OpAdd {
		if i != 0 {
			return waitctx.ErrExists
		}
		return p.addLocked(c)
	}
	if i == 0 {
		return waitctx.ErrNotFound
	}
	switch c.Op {
	case waitctx.OpDelete:
		p.deleteLocked(i)
		return nil
	case waitctx.OpModify:
		return p.modifyLocked(i, c)
	}
	return errors.ErrUnsupported
}

// addLocked registers a descriptor. The table by number grows only once the
// kernel knows the number, so that a wild one cannot make it huge.
func (p *Poller) addLocked(c *waitctx.Change) error {
	if c.FD > math.MaxInt32 {
		return os.NewSyscallError("epoll_ctl", unix.EBADF)
	}
	i := p.allocLocked()
	s := p.slots.At(i)
	s.fd, s.id, s.token, s.interest = int32(c.FD), c.ID, c.Token, c.Interest
	s.armed = c.Interest & (asked | edge)
	errno := p.ctl(p.set, unix.EPOLL_CTL_ADD, int(s.fd), maskOf(s.armed), p.cookieLocked(i))
	head := p.headLocked(s.fd)
	switch {
	case errno == 0 && head != 0:
		p.loseLocked(s.fd) // the kernel did not know this file: the number was used again
	case errno == unix.EEXIST:
		errno = p.shareLocked(i, head)
	}
	if errno != 0 {
		p.releaseLocked(i)
		if errno == unix.EPERM {
			return waitctx.ErrNotPollable
		}
		return os.NewSyscallError("epoll_ctl", errno)
	}
	p.pushLocked(i)
	return nil
}

// shareLocked takes over the registration the kernel has of a slot's number
// and file. That is the head's, or a ghost's whose file got its number back:
// with a ghost about, the kernel does not say which. So it becomes the slot's
// in either case, under a cookie of the slot's own, and the head's goes stale.
// If the head has the same file, it shares what the kernel tells from now on.
// If not, its number was closed and used again, and what it had is a ghost.
func (p *Poller) shareLocked(i, head uint32) unix.Errno {
	s := p.slots.At(i)
	if head != 0 {
		s.armed = merge(s.armed, p.wantLocked(head, p.slots.At(head).armed))
	}
	errno := p.ctl(p.set, unix.EPOLL_CTL_MOD, int(s.fd), maskOf(s.armed), p.cookieLocked(i))
	if errno == 0 && head != 0 {
		p.renewLocked(head)
	}
	return errno
}

// modifyLocked replaces interest and token. A dead registration is told again
// that its file is gone.
func (p *Poller) modifyLocked(i uint32, c *waitctx.Change) error {
	s := p.slots.At(i)
	token, interest := s.token, s.interest
	s.token, s.interest = c.Token, c.Interest
	if s.is(dead) {
		if !s.is(suppressed) {
			p.tellClosedLocked(i)
		}
		return nil
	}
	if s.is(suppressed) || c.Interest&edge == 0 && interest&(asked|edge) == c.Interest&asked {
		return nil
	}
	head := *p.byFD.At(uint32(s.fd))
	p.forgetArmedLocked(head)
	errno := p.armLocked(head)
	if errno == 0 {
		return nil
	}
	s.token, s.interest = token, interest
	p.loseLocked(s.fd)
	return os.NewSyscallError("epoll_ctl", errno)
}

// deleteLocked forgets a registration, whatever the kernel says. It says no if
// the number does not mean the file any more, as a caller who closed first will
// have it: no error, but a dup may live and keep what was registered.
func (p *Poller) deleteLocked(i uint32) {
	s := *p.slots.At(i)
	first := *p.byFD.At(uint32(s.fd))
	armed := p.slots.At(first).armed
	p.unlinkLocked(i)
	p.releaseLocked(i)
	if s.is(dead) {
		return
	}
	head := p.headLocked(s.fd)
	if head == 0 {
		if p.ctl(p.set, unix.EPOLL_CTL_DEL, int(s.fd), 0, 0) != 0 {
			p.ghost = true
		}
		return
	}
	if i == first {
		p.slots.At(head).armed = unknown // the cookie changes, so the mask must be set again
	}
	want := armed // with a suppressed one less no less is needed
	if !s.is(suppressed) || armed == unknown {
		want = p.wantLocked(head, armed)
	}
	if p.armForLocked(head, want) != 0 {
		p.loseLocked(s.fd)
	}
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
