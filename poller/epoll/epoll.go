//go:build linux

package epoll

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"bide/internal/chunks"
	"bide/internal/netpark"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Poller waits by epoll(7), and keeps the contract of [bide/poller.Poller].
// Make one with [New].
type Poller struct {
	mu      sync.Mutex   // guards everything below; the wake's own lock is taken inside it
	closed  atomic.Bool  // set under mu
	waiting bool         // some goroutine is in Wait
	queue   atomic.Int32 // goroutines at mu, besides the one that waits

	set     int               // the epoll set; replaced only by the waiter
	slots   chunks.List[slot] // slot 0 stands for the poller's own, and ends chains
	backlog []ref             // what is to be told before the kernel is asked again
	aside   bool              // a lost registration was told: before the next the kernel is asked
	rearms  []int32           // numbers whose mask the next Wait widens
	run     int               // dead cookies seen since the last live one
	outer   int               // an epoll set that holds set, for FD; -1 until asked for
	sleepy  bool              // the last Wait slept until there was one event
	busy    int               // events and turns since it was last asked whether the monitor is to be woken
	monitor netpark.Monitor   // of the runtime, which may rest while this poller is busy
	scratch scratch           // of the waiter, except for ctl
	wake    waker

	parked parking // of the waiter, as is held
	held   holding
	alarm  netpark.Alarm

	free  uint32              // first slot of the free list, linked by next
	byFD  chunks.List[uint32] // number to the first slot of its chain
	links map[name]link       // of the chains with more
	ghost bool                // a closed number may have left one
	stats Stats

	left sync.Cond // signalled when the waiter leaves, and when the descriptors are closed
	shut bool      // the descriptors are closed
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
	p := &Poller{set: set, outer: -1}
	p.slots.At(p.slots.Add()).gen = 1 // so that no cookie of a slot's is the poller's own
	p.left.L = &p.mu
	p.scratch.rows = make([]unix.EpollEvent, 64)
	if err := p.openOwn(); err != nil {
		unix.Close(set)
		return nil, err
	}
	pollers.Add(1)
	p.stats = Stats{}
	p.probe()
	return p, nil
}

// openOwn makes the poller's own descriptors and adds them to the set.
func (p *Poller) openOwn() (err error) {
	p.wake.fd, p.held.timer.FD, p.alarm.FD = -1, -1, -1
	defer func() {
		if err != nil {
			p.closeOwn()
		}
	}()
	if err := p.wake.open(); err != nil {
		return err
	}
	if err := p.held.timer.Open(); err != nil {
		return err
	}
	if err := p.alarm.Open(); err != nil {
		return err
	}
	if errno := p.addOwn(p.set); errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

func (p *Poller) closeOwn() error {
	return errors.Join(p.wake.close(), p.held.timer.Close(), p.alarm.Close())
}

// addOwn adds the poller's own descriptors to an epoll set.
func (p *Poller) addOwn(set int) unix.Errno {
	for _, own := range []struct {
		fd     int
		cookie uint64
	}{{p.wake.fd, wakeCookie}, {p.held.timer.FD, tickCookie}, {p.alarm.FD, alarmCookie}} {
		if own.fd < 0 {
			continue
		}
		if errno := p.ctl(set, unix.EPOLL_CTL_ADD, own.fd, ownMask, own.cookie); errno != 0 {
			return errno
		}
	}
	return 0
}

// Apply brings the registrations up to date, as [bide/poller.Poller] has it.
func (p *Poller) Apply(changes []waitctx.Change) error {
	p.lock()
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

// Suppress keeps a registration silent until Rearm, as [bide/poller.Poller] has it.
func (p *Poller) Suppress(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.findLocked(fd, id); i != 0 {
		p.slots.At(i).flags |= suppressed
	}
}

// Rearm ends Suppress, as [bide/poller.Poller] has it. If the kernel was told
// to be silent, or tells by edges, the next Wait or Apply has it look anew; at
// once, though, if FD was handed out, as another loop may wait on it before
// either is called.
func (p *Poller) Rearm(fd waitctx.FD, id waitctx.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.findLocked(fd, id)
	if i == 0 || !p.slots.At(i).is(suppressed) {
		return
	}
	s := p.slots.At(i)
	s.flags &^= suppressed
	if s.is(dead) {
		p.tellClosedLocked(i)
		return
	}
	head := *p.byFD.At(uint32(s.fd))
	armed := p.slots.At(head).armed
	if armed&(disarmed|unknown|edge) == 0 && s.interest&asked&^armed == 0 {
		return // the kernel tells of all that this one asks for, as long as it is so
	}
	p.forgetArmedLocked(head)
	if n := len(p.rearms); n == 0 || p.rearms[n-1] != s.fd {
		p.rearms = append(p.rearms, s.fd)
	}
	if p.outer >= 0 {
		p.flushLocked()
	}
}

// Caps says what epoll can do.
func (p *Poller) Caps() waitctx.Caps {
	p.lock()
	defer p.mu.Unlock()
	return waitctx.Caps{
		Name:      "epoll",
		Files:     waitctx.RejectFiles,
		Pipes:     true,
		Nestable:  true,
		SeesReuse: true,
		SubMilli:  p.alarm.FD >= 0 || !p.scratch.noPwait2,
		Priority:  true,
		Edges:     true,
	}
}

// FD returns a second epoll set, which holds the first, as [bide/poller.Poller]
// has it.
func (p *Poller) FD() (waitctx.FD, bool) {
	p.lock()
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
			p.wake.interrupt()
		}
	}
	return waitctx.FD(p.outer), true
}

// Stats returns the counts so far. Any goroutine may call it.
func (p *Poller) Stats() Stats {
	p.lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close closes the poller, as [bide/poller.Poller] has it. One that comes second
// waits for the first.
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
	pollers.Add(-1)
	p.parked.Close()
	errs := []error{
		os.NewSyscallError("close", unix.Close(p.set)),
		p.closeOwn(),
	}
	if p.outer >= 0 {
		errs = append(errs, os.NewSyscallError("close", unix.Close(p.outer)))
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
