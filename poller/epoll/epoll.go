//go:build linux

package epoll

import (
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Poller waits by epoll(7). Make one with [New].
//
// Apply, Wake, FD, Stats and Close may be called from any goroutine, also while
// another one is in Wait. Suppress and Rearm belong to the goroutine that
// waits.
type Poller struct {
	wake   waker
	closed atomic.Bool // set under mu

	mu      sync.Mutex // guards everything below; the wake's own lock is taken inside it
	left    sync.Cond  // signalled when the waiter leaves, and when the descriptors are closed
	waiting bool       // some goroutine is in Wait
	shut    bool       // the descriptors are closed

	set   int // the epoll set; replaced only by the waiter
	outer int // an epoll set that holds set, for FD; -1 until asked for
	ghost bool
	run   int // dead cookies seen since the last live one

	slots   []slot
	free    uint32   // first slot of the free list, linked by next
	byFD    []uint32 // number to the first slot of its chain
	backlog []ref    // what is to be told before the kernel is asked again
	rearms  []int32  // numbers whose mask the next Wait widens
	scratch scratch  // of the waiter, except for ctl
	stats   Stats
}

// scratch holds what system calls point to, so that it is never on a stack.
type scratch struct {
	ctl      unix.EpollEvent
	rows     []unix.EpollEvent
	timeout  [2]int64 // struct __kernel_timespec
	noPwait2 bool     // the kernel has no epoll_pwait2(2), or a sandbox hides it
}

// Stats counts what a poller did since it was made.
type Stats struct {
	Ctl      uint64 // calls of epoll_ctl(2)
	Stale    uint64 // events of registrations that were gone
	Rebuilds uint64 // epoll sets built anew, to get rid of ghosts
}

// New returns a poller without registrations.
func New() (*Poller, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Slot 0 is never given out: its cookie is the wake's, and 0 ends chains.
	p := &Poller{set: set, outer: -1, slots: make([]slot, 1, 16)}
	p.left.L = &p.mu
	p.scratch.rows = make([]unix.EpollEvent, 64)
	if err := p.wake.open(); err != nil {
		unix.Close(set)
		return nil, err
	}
	if errno := p.ctl(set, unix.EPOLL_CTL_ADD, p.wake.fd, wakeMask, 0); errno != 0 {
		unix.Close(set)
		p.wake.close()
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	p.stats = Stats{}
	p.probe()
	return p, nil
}

// Apply brings the registrations up to date. Deletes run first, whatever the
// order of changes; every change is tried, its Err is set, and the errors are
// returned joined. A Wait under way takes the changes into account.
func (p *Poller) Apply(changes []waitctx.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed.Load() {
		p.flushLocked()
	}
	var errs []error
	for _, deletes := range []bool{true, false} {
		for i := range changes {
			c := &changes[i]
			if (c.Op == waitctx.OpDelete) != deletes {
				continue
			}
			if c.Err = p.applyLocked(c); c.Err != nil {
				errs = append(errs, c.Err)
			}
		}
	}
	return errors.Join(errs...)
}

// Suppress keeps a registration silent until Rearm. The kernel hears of it
// only if it reports the registration again.
func (p *Poller) Suppress(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.findLocked(fd, id); i != 0 {
		p.slots[i].suppressed = true
	}
}

// Rearm ends Suppress. If the kernel was told to be silent, the next Wait or
// Apply undoes it; at once, though, if FD was handed out, as another loop may
// wait on it before either is called.
func (p *Poller) Rearm(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.findLocked(fd, id)
	if i == 0 || !p.slots[i].suppressed {
		return
	}
	s := &p.slots[i]
	s.suppressed = false
	if s.dead {
		p.tellClosedLocked(i)
		return
	}
	armed := p.slots[p.byFD[s.fd]].armed
	if armed&unix.EPOLLONESHOT == 0 && maskOf(s.interest)&^armed == 0 {
		return
	}
	p.rearms = append(p.rearms, s.fd)
	if p.outer >= 0 {
		p.flushLocked()
	}
}

// Caps says what epoll can do.
func (p *Poller) Caps() waitctx.Caps {
	p.mu.Lock()
	defer p.mu.Unlock()
	return waitctx.Caps{
		Name:      "epoll",
		Files:     waitctx.RejectFiles,
		Pipes:     true,
		Nestable:  true,
		SeesReuse: true,
		SubMilli:  !p.scratch.noPwait2,
	}
}

// FD returns a descriptor that is readable when Wait has something to return.
// It stays the same while the poller is open.
func (p *Poller) FD() (waitctx.FD, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return waitctx.BadFD, false
	}
	if p.outer < 0 {
		outer, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return waitctx.BadFD, false
		}
		if p.ctl(outer, unix.EPOLL_CTL_ADD, p.set, unix.EPOLLIN, 0) != 0 {
			unix.Close(outer)
			return waitctx.BadFD, false
		}
		p.outer = outer
		p.flushLocked()
		if len(p.backlog) > 0 {
			p.wake.write()
		}
	}
	return waitctx.FD(p.outer), true
}

// Stats returns the counts so far.
func (p *Poller) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close makes the Wait under way return waitctx.ErrClosed, waits until it has,
// and closes the poller's descriptors. Closing again does nothing.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.closed.Swap(true)
	if first && p.waiting {
		p.wake.write()
	}
	for p.waiting || !first && !p.shut {
		p.left.Wait()
	}
	if !first {
		return nil
	}
	errs := []error{
		os.NewSyscallError("close", unix.Close(p.set)),
		p.wake.close(),
	}
	if p.outer >= 0 {
		errs = append(errs, os.NewSyscallError("close", unix.Close(p.outer)))
	}
	p.shut = true
	p.left.Broadcast()
	return errors.Join(errs...)
}

// applyLocked carries out one change.
func (p *Poller) applyLocked(c *waitctx.Change) error {
	if p.closed.Load() {
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
		return p.deleteLocked(i)
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
	fd := int32(c.FD)
	i := p.allocLocked()
	s := &p.slots[i]
	s.fd, s.id, s.token, s.interest = fd, c.ID, c.Token, c.Interest
	mask := maskOf(c.Interest)
	errno := p.ctl(p.set, unix.EPOLL_CTL_ADD, int(fd), mask, p.cookieLocked(i))
	head := p.headLocked(fd)
	switch {
	case errno == 0:
		if head != 0 {
			p.loseLocked(fd) // the kernel did not know this file: the number was used again
		}
	case errno == unix.EEXIST && head != 0:
		s.next, p.slots[head].next = p.slots[head].next, i
		if errno = p.armLocked(head); errno == 0 {
			return nil
		}
		p.unlinkLocked(i)
	case errno == unix.EEXIST: // a ghost whose file got its number back
		errno = p.ctl(p.set, unix.EPOLL_CTL_MOD, int(fd), mask, p.cookieLocked(i))
	}
	if errno != 0 {
		p.releaseLocked(i)
		if errno == unix.EPERM {
			return waitctx.ErrNotPollable
		}
		return os.NewSyscallError("epoll_ctl", errno)
	}
	s.armed = mask
	p.pushLocked(i)
	return nil
}

// modifyLocked replaces interest and token. A dead registration is told again
// that its file is gone.
func (p *Poller) modifyLocked(i uint32, c *waitctx.Change) error {
	s := &p.slots[i]
	token, interest := s.token, s.interest
	s.token, s.interest = c.Token, c.Interest
	if s.dead {
		if !s.suppressed {
			p.tellClosedLocked(i)
		}
		return nil
	}
	if s.suppressed || maskOf(interest) == maskOf(c.Interest) {
		return nil
	}
	errno := p.armLocked(p.byFD[s.fd])
	if errno == 0 {
		return nil
	}
	s.token, s.interest = token, interest
	p.loseLocked(s.fd)
	return os.NewSyscallError("epoll_ctl", errno)
}

// deleteLocked forgets a registration. The kernel not knowing it any more is
// what a caller who closed first gets, and no error; but a dup may live.
func (p *Poller) deleteLocked(i uint32) error {
	s := p.slots[i]
	wasHead := p.byFD[s.fd] == i
	p.unlinkLocked(i)
	p.releaseLocked(i)
	if s.dead {
		return nil
	}
	head := p.promoteLocked(s.fd)
	if head == 0 {
		errno := p.ctl(p.set, unix.EPOLL_CTL_DEL, int(s.fd), 0, 0)
		if errno == 0 {
			return nil
		}
		p.ghost = true
		if errno == unix.ENOENT || errno == unix.EBADF {
			return nil
		}
		return os.NewSyscallError("epoll_ctl", errno)
	}
	if wasHead {
		p.slots[head].armed = unknown // the cookie changes, so the mask must be set again
	}
	if p.armLocked(head) != 0 {
		p.loseLocked(s.fd)
	}
	return nil
}
