//go:build unix

package pollfd

import (
	"errors"
	"math"
	"os"
	"sync"
	"time"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Poller waits by poll(2), and keeps the contract of [bide/poller.Poller].
// Make one with [New].
type Poller struct {
	wake pipe

	mu      sync.Mutex // guards everything below
	left    sync.Cond  // signalled when a waiter leaves
	waiting bool       // some goroutine is in Wait
	polling bool       // it is in poll(2), or about to be, and needs a byte to come back
	written bool       // that byte is in the pipe
	woken   bool       // Wake was called and no Wait has returned since
	closed  bool

	byID map[waitctx.ID]*registration
	set  pollSet
}

// registration is what the poller knows of one ID.
type registration struct {
	id       waitctx.ID
	fd       int32
	token    waitctx.Token
	interest waitctx.Interest

	suppressed bool // by the scheduler; left out of the set
	lost       bool // the kernel answered POLLNVAL; left out of the set
	deleted    bool // it may still be in the set's order
	slot       int  // index in the set's fds, or outside
}

// New returns a poller without registrations.
func New() (*Poller, error) {
	wake, err := newPipe()
	if err != nil {
		return nil, err
	}
	p := &Poller{wake: wake, byID: make(map[waitctx.ID]*registration)}
	p.left.L = &p.mu
	return p, nil
}

// Apply brings the registrations up to date, as [bide/poller.Poller] has it.
func (p *Poller) Apply(changes []waitctx.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	if len(changes) > len(errs) {
		p.interruptLocked()
	}
	return errors.Join(errs...)
}

// Wait waits for events, as [bide/poller.Poller] has it.
func (p *Poller) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	start := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, waitctx.ErrClosed
	}
	if p.waiting {
		return 0, waitctx.ErrBusy
	}
	p.waiting = true
	defer func() {
		p.waiting = false
		p.left.Broadcast()
	}()
	for {
		rest := time.Duration(-1)
		switch {
		case p.woken:
			rest = 0
		case timeout >= 0:
			rest = max(0, timeout-time.Since(start))
		}
		ready, err := p.pollLocked(rest)
		if p.closed {
			return 0, waitctx.ErrClosed
		}
		if err != nil {
			return 0, err
		}
		n := 0
		if ready > 0 {
			n = p.set.collect(dst)
		}
		// A dst without room must not turn a ready descriptor into a spin.
		done := n > 0 || p.woken || ready > 0 && len(dst) == 0
		if done || timeout >= 0 && time.Since(start) >= timeout {
			p.woken = false
			return n, nil
		}
	}
}

// Wake ends a Wait, as [bide/poller.Poller] has it.
func (p *Poller) Wake() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return waitctx.ErrClosed
	}
	p.woken = true
	p.interruptLocked()
	return nil
}

// Suppress keeps a registration silent until Rearm, as [bide/poller.Poller] has it.
// The next Wait leaves it out.
func (p *Poller) Suppress(_ waitctx.FD, id waitctx.ID) { p.setSuppressed(id, true) }

// Rearm ends Suppress, as [bide/poller.Poller] has it.
func (p *Poller) Rearm(_ waitctx.FD, id waitctx.ID) { p.setSuppressed(id, false) }

// Caps says what poll(2) can do.
func (p *Poller) Caps() waitctx.Caps {
	return waitctx.Caps{
		Name:     "pollfd",
		Files:    waitctx.FilesReady,
		Pipes:    true,
		SubMilli: subMilli,
		Priority: true,
	}
}

// FD returns false: poll(2) has no descriptor of its own.
func (p *Poller) FD() (waitctx.FD, bool) { return waitctx.BadFD, false }

// Close closes the poller, as [bide/poller.Poller] has it. One that comes second
// may return before the first.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.interruptLocked()
	for p.waiting {
		p.left.Wait()
	}
	clear(p.byID)
	p.set = pollSet{}
	return p.wake.close()
}

// applyLocked carries out one change.
func (p *Poller) applyLocked(c *waitctx.Change) error {
	if p.closed {
		if c.Op == waitctx.OpDelete { // nothing is held any more
			return nil
		}
		return waitctx.ErrClosed
	}
	r := p.byID[c.ID]
	if c.Op == waitctx.OpAdd {
		if r != nil {
			return waitctx.ErrExists
		}
		return p.addLocked(c)
	}
	if r == nil {
		return waitctx.ErrNotFound
	}
	switch c.Op {
	case waitctx.OpDelete:
		p.set.remove(r)
		delete(p.byID, c.ID)
	case waitctx.OpModify:
		r.token, r.interest = c.Token, c.Interest
		p.set.stale = true
	default:
		return errors.ErrUnsupported
	}
	return nil
}

// addLocked registers a descriptor that is open. poll(2) would tell only in
// the next Wait, too late for the change's Err.
func (p *Poller) addLocked(c *waitctx.Change) error {
	if c.FD > math.MaxInt32 {
		return os.NewSyscallError("fcntl", unix.EBADF)
	}
	if _, err := unix.FcntlInt(uintptr(c.FD), unix.F_GETFD, 0); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	r := &registration{id: c.ID, fd: int32(c.FD), token: c.Token, interest: c.Interest, slot: outside}
	p.byID[c.ID] = r
	p.set.add(r)
	return nil
}

// pollLocked runs one poll(2), with the lock released meanwhile, and returns
// how many descriptors of the set are ready. A signal counts as none: the
// caller knows its deadline and comes back.
func (p *Poller) pollLocked(timeout time.Duration) (int, error) {
	p.set.build(p.wake.r)
	p.polling = true
	p.mu.Unlock()
	ready, err := poll(p.set.fds, timeout)
	p.mu.Lock()
	p.polling = false
	if p.written {
		p.written = false
		p.wake.drain()
		if err == nil && p.set.fds[0].Revents != 0 {
			ready--
		}
	}
	if err == unix.EINTR {
		return 0, nil
	}
	return ready, os.NewSyscallError("poll", err)
}

// interruptLocked makes a poll(2) under way return. The pipe never holds more
// than one byte, so that the write cannot find it full.
func (p *Poller) interruptLocked() {
	if p.polling && !p.written {
		p.written = true
		p.wake.write()
	}
}

// setSuppressed leaves a registration out of the set, or takes it in again.
func (p *Poller) setSuppressed(id waitctx.ID, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.byID[id]; r != nil && r.suppressed != on {
		r.suppressed = on
		p.set.stale = true
	}
}
