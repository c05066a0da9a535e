//go:build linux

package iouring

import (
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	requests    = 256  // handed over at once
	completions = 4096 // beyond it the kernel allocates memory for each
)

// Poller waits by io_uring(7), and keeps the contract of [bide/poller.Poller].
// Make one with [New].
type Poller struct {
	closed atomic.Bool  // set under mu
	queue  atomic.Int32 // goroutines at mu, besides the one that waits
	woken  atomic.Bool  // Wake was called and no Wait has returned since; set under mu

	mu      sync.Mutex // guards everything below
	left    sync.Cond  // signalled when the waiter or a drain leaves, and when the ring is closed
	waiting bool       // some goroutine is in Wait
	nested  bool       // FD was handed out
	shut    bool       // the ring is closed

	draining int // goroutines in drainLocked, which lets go of the lock

	ring    ring
	slots   []slot
	free    uint32   // first slot of the free list, linked by next
	byFD    []uint32 // number to the first slot of its chain
	adds    []ref    // what Apply arms
	rearms  []ref    // what the next Wait arms
	cancels []uint64 // cookies of polls to cancel
	leaving int      // polls canceled whose last completion has not been seen
	stats   Stats
	parked  parking // of the waiter

	// What system calls point to, so that it is never on a stack.
	waitArg   arg // of the waiter
	submitArg arg
	settleArg arg
}

// Stats counts what a poller did since it was made.
type Stats struct {
	Ctl    uint64 // calls of io_uring_enter(2) for the sake of registrations
	Enters uint64 // all of them
	Stale  uint64 // completions of polls that were canceled
	Drops  uint64 // times that the kernel had no memory to keep a completion
}

// New returns a poller without registrations. Where the kernel is older than
// 6.1, or it or a policy refuses, the error says why and is
// errors.ErrUnsupported.
func New() (*Poller, error) {
	if err := checkRelease(release()); err != nil {
		return nil, err
	}
	return newSized(requests, completions)
}

// newSized is New with rings of other sizes.
func newSized(requests, completions uint32) (*Poller, error) {
	// Slot 0 is never given out: its cookie is that of requests without a
	// registration, and 0 ends chains.
	p := &Poller{slots: make([]slot, 1, 16)}
	p.left.L = &p.mu
	if err := p.ring.open(requests, completions); err != nil {
		return nil, explain(err)
	}
	if errno := p.ring.submit(&p.submitArg); errno != 0 { // a policy may allow the one and not the other
		p.ring.close()
		return nil, explain(os.NewSyscallError("io_uring_enter", errno))
	}
	return p, nil
}

// Apply brings the registrations up to date, as [bide/poller.Poller] has it.
func (p *Poller) Apply(changes []waitctx.Change) error {
	p.lock()
	defer p.mu.Unlock()
	settle, deleted := false, false
	for _, deletes := range []bool{true, false} {
		for i := range changes {
			c := &changes[i]
			if (c.Op == waitctx.OpDelete) != deletes {
				continue
			}
			if p.unsettledLocked(c) {
				p.settleLocked(changes[:i], deleted)
				settle, deleted = false, false
			}
			c.Err = p.applyLocked(c)
			settle = settle || c.Err == nil && c.Op != waitctx.OpModify
			deleted = deleted || c.Err == nil && deletes
		}
	}
	if settle && !p.closed.Load() {
		p.settleLocked(changes, deleted)
	}
	p.announceLocked()
	var errs []error
	for i := range changes {
		if err := changes[i].Err; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Suppress keeps a registration silent until Rearm, as [bide/poller.Poller] has it.
// Its poll is not armed again once it has fired.
func (p *Poller) Suppress(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.findLocked(fd, id); i != 0 {
		p.slots[i].suppressed = true
	}
}

// Rearm ends Suppress, as [bide/poller.Poller] has it. The next Wait arms the
// poll; at once, though, if FD was handed out, as another loop may wait on it
// before Wait is called.
func (p *Poller) Rearm(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.findLocked(fd, id)
	if i == 0 || !p.slots[i].suppressed {
		return
	}
	p.slots[i].suppressed = false
	if p.slots[i].armed == 0 {
		p.queueLocked(i)
		p.announceLocked()
	}
}

// Caps says what io_uring can do.
func (p *Poller) Caps() waitctx.Caps {
	return waitctx.Caps{
		Name:     "iouring",
		Files:    waitctx.FilesReady,
		Pipes:    true,
		Priority: true,
		Nestable: true,
		SubMilli: true,
	}
}

// FD returns the ring, as [bide/poller.Poller] has it. From the first call on,
// each Wait arms before it returns what it would else leave to the next, so that
// the descriptor turns readable once more for what the caller is about to drain.
func (p *Poller) FD() (waitctx.FD, bool) {
	p.lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return waitctx.BadFD, false
	}
	if !p.nested {
		p.nested = true
		p.announceLocked()
	}
	return waitctx.FD(p.ring.fd), true
}

// Stats returns the counts so far. Any goroutine may call it.
func (p *Poller) Stats() Stats {
	p.lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close closes the poller, as [bide/poller.Poller] has it. It waits for the kernel
// to let go of every file. One that comes second waits for the first.
func (p *Poller) Close() error {
	p.lock()
	defer p.mu.Unlock()
	first := !p.closed.Swap(true)
	if first && p.waiting {
		p.interruptLocked()
	}
	for p.waiting || first && p.draining > 0 || !first && !p.shut {
		p.left.Wait()
	}
	if !first {
		return nil
	}
	// The kernel would cancel what is left, but in its own time, and the files
	// would stay open meanwhile.
	p.byFD, p.adds, p.rearms = nil, nil, nil
	for i := range p.slots {
		p.abandonLocked(uint32(i))
	}
	p.flushLocked(0, true)
	p.drainLocked()
	p.fenceLocked()
	p.parked.close()
	err := p.ring.close()
	p.shut = true
	p.left.Broadcast()
	return err
}

// lock takes mu for a goroutine that does not wait. A loop of Waits that
// return at once would leave the lock to others only when the runtime finds
// that they starve, after a millisecond; so Wait asks whether somebody queues.
func (p *Poller) lock() {
	p.queue.Add(1)
	p.mu.Lock()
	p.queue.Add(-1)
}

// applyLocked carries out one change, but for what needs the kernel.
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
		p.modifyLocked(i, c)
		return nil
	}
	return errors.ErrUnsupported
}

// addLocked registers a descriptor. Whether the kernel takes it shows in
// settleLocked.
func (p *Poller) addLocked(c *waitctx.Change) error {
	if c.FD > math.MaxInt32 {
		return os.NewSyscallError("io_uring_enter", unix.EBADF)
	}
	if c.FD == waitctx.FD(p.ring.fd) { // each completion would make another
		return os.NewSyscallError("io_uring_enter", unix.EINVAL)
	}
	fd := int32(c.FD)
	if err := p.growLocked(fd); err != nil {
		return err
	}
	i := p.allocLocked()
	s := &p.slots[i]
	s.fd, s.id, s.token, s.interest = fd, c.ID, c.Token, c.Interest
	p.pushLocked(i)
	p.adds = append(p.adds, ref{i, s.gen})
	return nil
}

// modifyLocked replaces interest and token. A poll that asks for too much may
// stay: what it reports is filtered, and it is armed for less then.
func (p *Poller) modifyLocked(i uint32, c *waitctx.Change) {
	s := &p.slots[i]
	s.token, s.interest = c.Token, c.Interest
	if s.armed != 0 && maskOf(s.interest)&^s.armed == 0 && !s.keeps {
		return
	}
	p.abandonLocked(i)
	if !s.suppressed {
		p.queueLocked(i)
	}
}

// deleteLocked forgets a registration.
func (p *Poller) deleteLocked(i uint32) {
	p.unlinkLocked(i)
	p.releaseLocked(i)
}

// unsettledLocked reports whether a change is of a registration that was added
// before it in the same Apply, and that the kernel may refuse yet.
func (p *Poller) unsettledLocked(c *waitctx.Change) bool {
	if len(p.adds) == 0 {
		return false
	}
	i := p.findLocked(c.FD, c.ID)
	return i != 0 && p.slots[i].armed == 0 && !p.slots[i].queued
}

// settleLocked arms what was added, cancels what was deleted, and waits until
// the kernel has let go of the files of the latter. An add that it refused is
// undone: a refusal completes before io_uring_enter(2) returns.
func (p *Poller) settleLocked(changes []waitctx.Change, deleted bool) {
	before := p.stats.Enters
	errno := p.flushLocked(0, true)
	for i := range changes {
		c := &changes[i]
		if c.Op != waitctx.OpAdd || c.Err != nil {
			continue
		}
		slot := p.findLocked(c.FD, c.ID)
		if slot == 0 {
			continue
		}
		why := errno
		if why == 0 {
			why = p.slots[slot].errno
		}
		if why != 0 {
			c.Err = refusal(why)
			p.deleteLocked(slot)
		}
	}
	if len(p.cancels) > 0 {
		p.flushLocked(0, true)
	}
	others := p.drainLocked()
	if deleted {
		p.fenceLocked()
	}
	p.stats.Ctl += p.stats.Enters - before - others
}

// refusal is the error of a poll that the kernel refused. EINVAL is its answer
// to a file without a queue to wait in.
func refusal(errno unix.Errno) error {
	if errno == unix.EINVAL {
		return waitctx.ErrNotPollable
	}
	return os.NewSyscallError("io_uring_enter", errno)
}

// announceLocked arms the rearms at once if somebody sleeps on the ring, here
// or through FD, and leaves in it what has completed.
func (p *Poller) announceLocked() {
	if p.closed.Load() || !p.waiting && !p.nested {
		return
	}
	before := p.stats.Enters
	p.flushLocked(len(p.rearms), false)
	if p.woken.Load() {
		p.interruptLocked()
	}
	p.stats.Ctl += p.stats.Enters - before
}
