package iocp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bide/waitctx"
)

// Poller waits by a completion port, and keeps the contract of [bide/poller.Poller].
// Make one with [New].
type Poller struct {
	sys    system
	wake   waker
	closed atomic.Bool // set under mu

	mu          sync.Mutex // guards everything below; the wake's own lock is taken inside it
	left        sync.Cond  // signalled when the waiter leaves, and when the handles are closed
	waiting     bool       // some goroutine is in Wait
	asleep      bool       // and the lock is released meanwhile
	interrupted bool       // a packet that is not a Wake is on its way to it
	shut        bool       // the handles are closed

	slots   []slot
	free    uint32 // first slot of the free list, linked by next
	byFD    map[waitctx.FD]*source
	updates []*source // whose polls or waits may have to change
	backlog []ref     // what is to be told before the kernel is asked again
	aside   bool      // a lost registration was told: before the next the kernel is asked

	polls    []poll
	freePoll uint32
	turn     uint64 // counts Waits
	helpers  []uintptr
	chunks   [][]op
	ops      []op // the rest of the last chunk

	places    []place
	freePlace uint32

	pipes     []*source
	nextPipe  int
	pause     time.Duration // until the next look into the pipes
	pipesNext bool          // the last Wait had no room for pipes: they come first

	rows  []packet
	judge judge
	stats Stats
}

// Stats counts what a poller did since it was made.
type Stats struct {
	Polls       uint64 // of sockets, submitted
	Cancels     uint64 // of these, taken back
	Checks      uint64 // packets checked for being out of date
	Stale       uint64 // packets of what was gone
	Helpers     int    // handles of \Device\Afd
	Outstanding int    // packets that are still to come; 0 after Close
}

// New returns a poller without registrations. On systems other than Windows its
// error is errors.ErrUnsupported.
func New() (*Poller, error) {
	sys, err := openSystem()
	if err != nil {
		return nil, err
	}
	return newOn(sys), nil
}

// newOn returns a poller on what stands for the system.
func newOn(sys system) *Poller {
	// Slot, poll and place 0 are never given out: 0 ends chains.
	p := &Poller{
		sys:    sys,
		wake:   waker{sys: sys},
		slots:  make([]slot, 1, 16),
		polls:  make([]poll, 1, 1+perHelper),
		places: make([]place, 1),
		byFD:   make(map[waitctx.FD]*source),
		rows:   make([]packet, 64),
	}
	p.left.L = &p.mu
	return p
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

// Suppress keeps a registration silent until Rearm, as [bide/poller.Poller] has it.
// The kernel is not asked about it again meanwhile.
func (p *Poller) Suppress(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.findLocked(fd, id); i != 0 {
		p.slots[i].suppressed = true
		p.queueUpdateLocked(p.slots[i].src)
	}
}

// Rearm ends Suppress, as [bide/poller.Poller] has it. The next Wait asks the
// kernel again.
func (p *Poller) Rearm(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.findLocked(fd, id)
	if i == 0 || !p.slots[i].suppressed {
		return
	}
	s := &p.slots[i]
	s.suppressed = false
	if s.dead || s.owed {
		p.queueLocked(i)
	}
	p.queueUpdateLocked(s.src)
}

// Caps says what a completion port can do.
func (p *Poller) Caps() waitctx.Caps {
	return waitctx.Caps{
		Name:      "iocp",
		Files:     waitctx.RejectFiles,
		Waitables: true,
		Pipes:     true,
		Priority:  true,
	}
}

// FD returns false: no other loop can wait for a completion port.
func (p *Poller) FD() (waitctx.FD, bool) { return waitctx.BadFD, false }

// Stats returns the counts so far. Any goroutine may call it.
func (p *Poller) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close closes the poller, as [bide/poller.Poller] has it. It takes back all that
// the kernel was asked for. One that comes second waits for the first.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.closed.Swap(true)
	if first {
		p.interruptLocked()
	}
	for p.waiting || !first && !p.shut {
		p.left.Wait()
	}
	if !first {
		return nil
	}
	err := p.drainLocked()
	p.wake.close()
	for _, h := range p.helpers {
		p.sys.closeHandle(h)
	}
	err = errors.Join(err, p.sys.close())
	if p.stats.Outstanding == 0 {
		for _, ops := range p.chunks {
			p.sys.freeOps(ops)
		}
	}
	p.shut = true
	p.left.Broadcast()
	return err
}

// drainTime is how long Close waits for a packet before it gives one up.
const drainTime = 10 * time.Second

// drainLocked takes everything back and waits for the packets that come of it:
// until then the kernel may write to the polls' memory, which would leak if one
// were missing.
func (p *Poller) drainLocked() error {
	for _, src := range p.byFD {
		src.first = 0
		p.retireLocked(src)
	}
	for p.stats.Outstanding > 0 {
		n, err := p.sys.get(p.rows, drainTime)
		if err == nil && n == 0 {
			err = fmt.Errorf("iocp: %d packets are missing after %v", p.stats.Outstanding, drainTime)
		}
		if err != nil {
			return err
		}
		for _, row := range p.rows[:n] {
			switch row.key {
			case keySocket:
				p.feedLocked(uint32(row.cookie))
			case keyWaitable:
				p.feedWaitLocked(uint32(row.cookie))
			}
		}
	}
	return nil
}

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

// addLocked registers a handle.
func (p *Poller) addLocked(c *waitctx.Change) error {
	src, err := p.sourceLocked(c)
	if err != nil {
		return err
	}
	if src.kind == waitctx.Pipe && c.Interest&waitctx.Writable != 0 {
		if src.first == 0 {
			p.dropSourceLocked(src)
		}
		return waitctx.ErrNotPollable
	}
	i := p.allocLocked()
	s := &p.slots[i]
	s.id, s.token, s.interest = c.ID, c.Token, c.Interest
	p.pushLocked(src, i)
	p.queueUpdateLocked(src)
	return nil
}

// modifyLocked replaces interest and token. A dead registration is told again
// that its file is gone.
func (p *Poller) modifyLocked(i uint32, c *waitctx.Change) error {
	s := &p.slots[i]
	if s.src.kind == waitctx.Pipe && c.Interest&waitctx.Writable != 0 {
		return waitctx.ErrNotPollable
	}
	s.token, s.interest = c.Token, c.Interest
	if s.dead && !s.suppressed {
		p.queueLocked(i)
	}
	p.queueUpdateLocked(s.src)
	return nil
}

// deleteLocked forgets a registration. Its poll is canceled before it returns,
// as the socket may be closed next.
func (p *Poller) deleteLocked(i uint32) {
	src := p.slots[i].src
	p.unlinkLocked(i)
	p.releaseLocked(i)
	if src.first == 0 {
		p.retireLocked(src)
		return
	}
	p.queueUpdateLocked(src)
}
