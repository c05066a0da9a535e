//go:build unix

package kqueue

import (
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bide/internal/kqsys"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Poller waits by kqueue(2), and keeps the contract of [bide/poller.Poller].
// Make one with [New].
type Poller struct {
	sys    kqsys.Sys
	caps   kqsys.Caps
	wake   waker
	closed atomic.Bool  // set under mu
	queue  atomic.Int32 // goroutines at mu, besides the one that waits

	mu      sync.Mutex // guards everything below; the wake's own lock is taken inside it
	left    sync.Cond  // signalled when the waiter leaves, and when the descriptors are closed
	waiting bool       // some goroutine is in Wait
	shut    bool       // the descriptors are closed
	nested  bool       // FD was handed out

	side    kqsys.Sys // asked about single descriptors; nil until there is a question
	slots   []slot
	free    uint32 // first slot of the free list, linked by next
	files   []file // by number
	batch   batch
	backlog []ref   // what is to be told before the kernel is asked again
	aside   bool    // a lost registration was told: before the next the kernel is asked
	rearms  []int32 // numbers whose knotes the next Wait enables
	scratch scratch // of the waiter
	stats   Stats
}

// scratch holds what a Wait works on, and what calls to the kernel point to.
type scratch struct {
	rows    []kqsys.Event
	seen    []int32 // numbers in rows, each once
	timeout time.Duration
	ask     [len(order)]kqsys.Event // changes, guarded by mu
	answer  [len(order)]kqsys.Event // and their rows
}

// Stats counts what a poller did since it was made.
type Stats struct {
	Ctl   uint64 // changes handed to kevent(2)
	Stale uint64 // rows of registrations that were gone
	Asked uint64 // questions to the second kqueue
}

// New returns a poller without registrations. On a system without kqueue the
// error is errors.ErrUnsupported.
func New() (*Poller, error) {
	sys, err := kqsys.Open()
	if err != nil {
		return nil, err
	}
	p, err := NewOn(sys)
	if err != nil {
		sys.Close()
	}
	return p, err
}

// NewOn is New with something else in the kernel's place. It is for tests: the
// package of its argument is internal. The poller closes sys when it is closed,
// unless NewOn fails.
func NewOn(sys kqsys.Sys) (*Poller, error) {
	// Slot 0 is never given out: 0 ends chains.
	p := &Poller{sys: sys, caps: sys.Caps(), slots: make([]slot, 1, 16)}
	p.left.L = &p.mu
	p.scratch.rows = make([]kqsys.Event, 64)
	if err := p.wake.open(sys); err != nil {
		return nil, err
	}
	p.batch.changes = append(p.batch.changes, p.wake.event.change())
	p.submitLocked()
	if errno := p.batch.errs[0]; errno != 0 {
		p.wake.close()
		return nil, os.NewSyscallError("kevent", errno)
	}
	p.batch.clear()
	p.stats = Stats{}
	return p, nil
}

// Apply brings the registrations up to date, as [bide/poller.Poller] has it.
func (p *Poller) Apply(changes []waitctx.Change) error {
	p.lock()
	defer p.mu.Unlock()
	if !p.closed.Load() {
		p.flushLocked()
	}
	for _, deletes := range []bool{true, false} {
		for i := range changes {
			if c := &changes[i]; (c.Op == waitctx.OpDelete) == deletes {
				c.Err = p.applyLocked(c)
			}
		}
	}
	p.runLocked()
	var errs []error
	for i := range changes {
		if err := changes[i].Err; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Suppress keeps a registration silent until Rearm, as [bide/poller.Poller] has it.
func (p *Poller) Suppress(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.findLocked(fd, id); i != 0 {
		p.slots[i].suppressed = true
	}
}

// Rearm ends Suppress, as [bide/poller.Poller] has it. If the kernel was told
// to be silent, the next Wait or Apply undoes it; at once, though, if FD was
// handed out, as another loop may wait on it before either is called.
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
	if p.armedLocked(s.fd) {
		return
	}
	if f := &p.files[s.fd]; !f.rearmed {
		f.rearmed = true
		p.rearms = append(p.rearms, s.fd)
	}
	if p.nested {
		p.flushLocked()
	}
}

// Caps says what this system's kqueue can do.
func (p *Poller) Caps() waitctx.Caps {
	return waitctx.Caps{
		Name:      "kqueue",
		Files:     waitctx.RejectFiles,
		Pipes:     true,
		Nestable:  true,
		SeesReuse: true,
		SubMilli:  p.caps.SubMilli,
		Priority:  p.caps.Except,
	}
}

// FD returns the kqueue, as [bide/poller.Poller] has it.
func (p *Poller) FD() (waitctx.FD, bool) {
	p.lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return waitctx.BadFD, false
	}
	if !p.nested {
		p.nested = true
		p.flushLocked()
		if len(p.backlog) > 0 {
			p.wake.interrupt()
		}
	}
	return waitctx.FD(p.sys.FD()), true
}

// Stats returns the counts so far. Any goroutine may call it.
func (p *Poller) Stats() Stats {
	p.lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close closes the poller, as [bide/poller.Poller] has it. One that comes second
// waits for the first.
//
// The interrupt comes first: closing a kqueue does not end a kevent(2) on it
// everywhere.
func (p *Poller) Close() error {
	p.lock()
	defer p.mu.Unlock()
	first := !p.closed.Swap(true)
	if first && p.waiting {
		p.wake.interrupt()
	}
	for p.waiting || !first && !p.shut {
		p.left.Wait()
	}
	if !first {
		return nil
	}
	errs := []error{p.wake.close(), p.sys.Close()}
	if p.side != nil {
		errs = append(errs, p.side.Close())
	}
	p.shut = true
	p.left.Broadcast()
	return errors.Join(errs...)
}

// lock takes mu for a goroutine that does not wait. A loop of Waits that
// return at once would leave the lock to others only when the runtime finds
// that they starve, after a millisecond; so Wait asks whether somebody queues.
func (p *Poller) lock() {
	p.queue.Add(1)
	p.mu.Lock()
	p.queue.Add(-1)
}

// applyLocked carries out one change, or puts it into the batch, which sets
// the change's Err later.
func (p *Poller) applyLocked(c *waitctx.Change) error {
	if p.closed.Load() {
		if c.Op == waitctx.OpDelete { // nothing is held any more
			return nil
		}
		return waitctx.ErrClosed
	}
	i := p.findLocked(c.FD, c.ID)
	if p.batch.full() || i != 0 && c.Op != waitctx.OpDelete {
		p.runLocked() // an add before may have been refused
		i = p.findLocked(c.FD, c.ID)
	}
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
		return os.NewSyscallError("kevent", unix.EBADF)
	}
	if err := p.refuse(c); err != nil {
		return err
	}
	fd := int32(c.FD)
	if p.headLocked(fd) != 0 {
		p.runLocked()
	}
	kind, err := kindOf(int(fd))
	if err != nil {
		return err
	}
	if p.headLocked(fd) != 0 && !p.sameLocked(fd) {
		p.loseLocked(fd)
	}
	alone := p.headLocked(fd) == 0
	i := p.allocLocked()
	s := &p.slots[i]
	s.fd, s.id, s.token, s.interest = fd, c.ID, c.Token, c.Interest
	p.pushLocked(i)
	if alone {
		p.files[fd].renew(kind)
		p.planLocked(fd, step{change: c, slot: i})
		return nil
	}
	if errno := p.armLocked(fd); errno != 0 {
		p.unlinkLocked(i)
		p.releaseLocked(i)
		p.loseIfGoneLocked(fd, errno)
		return refusal(errno)
	}
	return nil
}

// modifyLocked replaces interest and token. A dead registration is told again
// that its file is gone.
func (p *Poller) modifyLocked(i uint32, c *waitctx.Change) error {
	if err := p.refuse(c); err != nil {
		return err
	}
	s := &p.slots[i]
	token, interest := s.token, s.interest
	s.token, s.interest = c.Token, c.Interest
	if s.dead {
		if !s.suppressed {
			p.tellClosedLocked(i)
		}
		return nil
	}
	if interest == c.Interest {
		return nil
	}
	errno := p.armLocked(s.fd)
	if errno == 0 {
		return nil
	}
	s = &p.slots[i]
	s.token, s.interest = token, interest
	p.loseIfGoneLocked(s.fd, errno)
	return refusal(errno)
}

// deleteLocked forgets a registration, whatever the kernel says. It says no to a
// caller who closed first; and what it kept, strayLocked deletes.
func (p *Poller) deleteLocked(i uint32) {
	s := p.slots[i]
	p.unlinkLocked(i)
	p.releaseLocked(i)
	if s.dead {
		return
	}
	if p.headLocked(s.fd) == 0 {
		p.planLocked(s.fd, step{})
		return
	}
	if p.armLocked(s.fd) != 0 {
		p.loseLocked(s.fd)
	}
}

// refuse answers what the system has no filter for.
func (p *Poller) refuse(c *waitctx.Change) error {
	if c.Interest&waitctx.Priority != 0 && !p.caps.Except {
		return errors.ErrUnsupported
	}
	return nil
}

// refusal is the error of an add or a modify. These three are what files
// without a filter are refused with, by system.
func refusal(errno syscall.Errno) error {
	switch errno {
	case unix.EINVAL, unix.ENODEV, unix.EOPNOTSUPP:
		return waitctx.ErrNotPollable
	}
	return os.NewSyscallError("kevent", errno)
}
