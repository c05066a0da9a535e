package pollertest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"bide/waitctx"
)

// Memory is a poller without a kernel: a test says what is ready. It blocks on
// a channel and a timer only, so that it works inside testing/synctest.
// Make one with [NewMemory]. All methods may be called from any goroutine.
type Memory struct {
	wake chan struct{} // holds a token when the Wait under way must look again
	left chan struct{} // closed when the last waiter has left a closed Memory

	mu      sync.Mutex // guards everything below
	waiting bool
	woken   bool
	closed  bool
	ready   map[waitctx.FD]waitctx.Ready
	regs    []*memoryReg // in the order they were added
	next    int          // index in regs where the next Wait starts
	log     []waitctx.Change
}

type memoryReg struct {
	waitctx.Change
	suppressed bool
}

// NewMemory returns a poller for which nothing is ready.
func NewMemory() *Memory {
	return &Memory{
		wake:  make(chan struct{}, 1),
		left:  make(chan struct{}),
		ready: make(map[waitctx.FD]waitctx.Ready),
	}
}

// SetReady says what fd is ready for from now on, until it is said anew.
// Descriptors are mere numbers. Zero is not ready for anything.
func (m *Memory) SetReady(fd waitctx.FD, ready waitctx.Ready) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready[fd] = ready
	m.interrupt()
}

// Log returns the changes applied so far, in the order they took effect, with
// their Err.
func (m *Memory) Log() []waitctx.Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.log)
}

// Apply brings the registrations up to date, as [poller.Poller] has it.
func (m *Memory) Apply(changes []waitctx.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, deletes := range []bool{true, false} {
		for i := range changes {
			c := &changes[i]
			if (c.Op == waitctx.OpDelete) != deletes {
				continue
			}
			if c.Err = m.applyLocked(*c); c.Err != nil {
				errs = append(errs, c.Err)
			}
			m.log = append(m.log, *c)
		}
	}
	m.interrupt()
	return errors.Join(errs...)
}

func (m *Memory) applyLocked(c waitctx.Change) error {
	if m.closed {
		if c.Op == waitctx.OpDelete { // nothing is held any more
			return nil
		}
		return waitctx.ErrClosed
	}
	at := m.indexLocked(c.ID)
	switch {
	case c.Op == waitctx.OpAdd && at >= 0:
		return waitctx.ErrExists
	case c.Op == waitctx.OpAdd:
		c.Err = nil
		m.regs = append(m.regs, &memoryReg{Change: c})
	case at < 0:
		return waitctx.ErrNotFound
	case c.Op == waitctx.OpDelete:
		m.regs = slices.Delete(m.regs, at, at+1)
		if at < m.next {
			m.next--
		}
	default:
		m.regs[at].Interest, m.regs[at].Token = c.Interest, c.Token
	}
	return nil
}

func (m *Memory) indexLocked(id waitctx.ID) int {
	return slices.IndexFunc(m.regs, func(r *memoryReg) bool { return r.ID == id })
}

// Wait tells what SetReady said is ready, as [poller.Poller] has it.
func (m *Memory) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, waitctx.ErrClosed
	}
	if m.waiting {
		return 0, waitctx.ErrBusy
	}
	m.waiting = true
	defer m.leaveLocked()
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	for over := timeout == 0; ; {
		if m.closed {
			return 0, waitctx.ErrClosed
		}
		n := m.collectLocked(dst)
		if n > 0 || m.woken || over {
			m.woken = false
			return n, nil
		}
		m.mu.Unlock()
		select {
		case <-m.wake:
		case <-expired:
			over = true
		}
		m.mu.Lock()
	}
}

func (m *Memory) leaveLocked() {
	m.waiting = false
	if m.closed {
		close(m.left)
	}
}

// collectLocked starts after the registration that was reported last.
func (m *Memory) collectLocked(dst []waitctx.Event) int {
	n, first := 0, m.next
	for i := range m.regs {
		if n == len(dst) {
			break
		}
		at := (first + i) % len(m.regs)
		r := m.regs[at]
		ready := filter(m.ready[r.FD], r.Interest)
		if ready == 0 || r.suppressed {
			continue
		}
		dst[n] = waitctx.Event{Token: r.Token, Ready: ready}
		n++
		m.next = at + 1
	}
	return n
}

// filter leaves what a wait with this interest hears of.
func filter(ready waitctx.Ready, i waitctx.Interest) waitctx.Ready {
	over := ready&(waitctx.ReadyErr|waitctx.ReadyHup) != 0
	told := ready & (waitctx.ReadyErr | waitctx.ReadyHup | waitctx.ReadyClosed)
	if i&waitctx.Readable != 0 {
		told |= ready & (waitctx.ReadyIn | waitctx.ReadyRdHup)
		if over || ready&waitctx.ReadyRdHup != 0 {
			told |= waitctx.ReadyIn
		}
	}
	if i&waitctx.Writable != 0 {
		told |= ready & waitctx.ReadyOut
		if over {
			told |= waitctx.ReadyOut
		}
	}
	if i&waitctx.Priority != 0 {
		told |= ready & waitctx.ReadyPri
	}
	return told
}

// Wake ends a Wait, as [poller.Poller] has it.
func (m *Memory) Wake() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return waitctx.ErrClosed
	}
	m.woken = true
	m.interrupt()
	return nil
}

// interrupt makes the Wait under way look again.
func (m *Memory) interrupt() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Suppress keeps a registration silent until Rearm.
func (m *Memory) Suppress(_ waitctx.FD, id waitctx.ID) { m.setSuppressed(id, true) }

// Rearm ends Suppress.
func (m *Memory) Rearm(_ waitctx.FD, id waitctx.ID) { m.setSuppressed(id, false) }

func (m *Memory) setSuppressed(id waitctx.ID, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.indexLocked(id); at >= 0 {
		m.regs[at].suppressed = on
	}
}

// Caps says what the poller can do. Descriptors are mere numbers, so there is no
// FD, no reuse to see, and no out-of-band data.
func (m *Memory) Caps() waitctx.Caps {
	return waitctx.Caps{Name: "memory", Files: waitctx.FilesReady, Pipes: true, SubMilli: true}
}

// FD returns false.
func (m *Memory) FD() (waitctx.FD, bool) { return waitctx.BadFD, false }

// Close closes the poller, as [poller.Poller] has it. One that comes second may
// return before the first.
func (m *Memory) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.regs = nil
	waiting := m.waiting
	m.interrupt()
	m.mu.Unlock()
	if waiting {
		<-m.left
	}
	return nil
}
