//go:build unix

package kqueue

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"bide/internal/kqsys"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	maxRows = 1024 // fetched at once
	// maxSleep is the longest timeout of one system call; what is left follows
	// in the next. macOS refuses long ones, OpenBSD cuts them to a day.
	maxSleep = 24 * time.Hour
)

// Wait waits for events, as [bide/poller.Poller] has it.
func (p *Poller) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	if p.queue.Load() != 0 {
		runtime.Gosched()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return 0, waitctx.ErrClosed
	}
	if p.waiting {
		return 0, waitctx.ErrBusy
	}
	if rows := min(len(dst), maxRows); rows > len(p.scratch.rows) {
		p.scratch.rows = make([]kqsys.Event, rows)
	}
	p.flushLocked()
	// Nothing here lets go of the lock, so nobody needs to see waiting set.
	n, done, err := p.collectLocked(dst)
	if !done && timeout != 0 {
		p.waiting = true
		n, err = p.sleepLocked(dst, timeout)
		p.waiting = false
		p.left.Broadcast()
	}
	if len(p.backlog) > 0 && p.nested {
		p.wake.interrupt() // FD must stay readable
	}
	return n, err
}

// collectLocked takes what is ready now. It reports whether Wait is to return.
//
// What the backlog gave is returned by itself, as the kernel would report the
// same registrations once more. Lost ones it would not, and they may come to
// the backlog again and again: they let the kernel go first every other time.
//
// A fetch that held nothing to tell is followed by another one, since it may
// have hidden what is behind it; each silences what it found.
func (p *Poller) collectLocked(dst []waitctx.Event) (n int, done bool, err error) {
	if p.aside && len(p.backlog) > 0 && p.slots[p.backlog[0].index].dead {
		p.aside = false
	} else if n := p.tellBacklogLocked(dst); n > 0 {
		return n, true, nil
	}
	for {
		rows, errno := p.fetch(len(dst), 0)
		if errno != 0 && errno != unix.EINTR {
			return 0, true, os.NewSyscallError("kevent", errno)
		}
		if errno == 0 && rows == 0 {
			n = p.tellBacklogLocked(dst)
			return n, n > 0, nil
		}
		n, woke := p.deliverLocked(dst, rows)
		// A dst without room must not turn a ready descriptor into a spin.
		if n > 0 || woke || len(dst) == 0 {
			return n, true, nil
		}
	}
}

// sleepLocked blocks until Wait is to return, with the lock released meanwhile.
//
// Before it does, other goroutines get the processor: what they have to do is
// often what makes something ready, and saves going to sleep.
func (p *Poller) sleepLocked(dst []waitctx.Event, timeout time.Duration) (int, error) {
	start := time.Now()
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	if p.closed.Load() {
		return 0, waitctx.ErrClosed
	}
	if n, done, err := p.collectLocked(dst); done {
		return n, err
	}
	for {
		rest := time.Duration(-1)
		if timeout > 0 {
			if rest = timeout - time.Since(start); rest <= 0 {
				return 0, nil
			}
		}
		p.mu.Unlock()
		rows, errno := p.fetch(len(dst), rest)
		p.mu.Lock()
		if p.closed.Load() {
			return 0, waitctx.ErrClosed
		}
		if errno != 0 && errno != unix.EINTR { // a signal is no reason to return; the deadline stands
			return 0, os.NewSyscallError("kevent", errno)
		}
		n, woke := p.deliverLocked(dst, rows)
		if n > 0 || woke || rows > 0 && len(dst) == 0 {
			return n, nil
		}
	}
}

// deliverLocked turns fetched rows into events, and reports whether Wake was
// among them. The rows of one number become one event. What finds no place
// goes to the backlog.
func (p *Poller) deliverLocked(dst []waitctx.Event, rows int) (n int, woke bool) {
	seen := p.scratch.seen[:0]
	for r := range p.scratch.rows[:rows] {
		row := &p.scratch.rows[r]
		if p.wake.event.is(row) {
			woke = p.wake.heard() || woke
			continue
		}
		fd := int32(row.Ident)
		if row.Ident >= uintptr(len(p.files)) || uintptr(p.files[fd].gen) != row.Udata || p.headLocked(fd) == 0 {
			p.stats.Stale++
			p.strayLocked(row)
			continue
		}
		f := &p.files[fd]
		if row.Flags&kqsys.Error != 0 { // the knote is no more
			p.loseLocked(fd)
			continue
		}
		f.now.add(row)
		if !f.listed {
			f.listed = true
			seen = append(seen, fd)
		}
	}
	cut := rows == p.size(len(dst))
	for _, fd := range seen {
		n = p.fanOutLocked(dst, n, fd, cut)
	}
	p.scratch.seen = seen
	if n < len(dst) {
		n += p.tellBacklogLocked(dst[n:])
	}
	return n, woke
}

// strayLocked deletes a knote that is nobody's, so that it cannot spin.
func (p *Poller) strayLocked(row *kqsys.Event) {
	fd := int32(row.Ident)
	if row.Ident < uintptr(len(p.files)) && p.files[fd].have&bit(row.Filter) != 0 {
		return // it is somebody's by now
	}
	p.kevent([]kqsys.Event{{Ident: row.Ident, Filter: row.Filter, Flags: kqsys.Delete}}, nil, &immediately)
}

// fanOutLocked tells everybody who listens at a number. If nobody does, the
// kernel is told to be silent about it.
func (p *Poller) fanOutLocked(dst []waitctx.Event, n int, fd int32, cut bool) int {
	f := &p.files[fd]
	st := f.now
	f.listed, f.now = false, state{}
	if p.headLocked(fd) == 0 {
		return n // lost since its row was read
	}
	owed := f.told
	if f.told = 0; st.fired&^owed == 0 {
		return n // it is others' turn
	}
	st = p.completeLocked(fd, st, cut)
	f.deaf |= st.eof & excepts // no out-of-band data comes after the end
	over := st.hangUp(f.kind) != 0
	turned := over != f.over // then silent registrations need other filters
	f.over = over
	told := false
	for i := f.first; i != 0; i = p.slots[i].next {
		s := &p.slots[i]
		if s.dead || s.suppressed {
			continue
		}
		ready := readyOf(st, f.kind, s.interest)
		if ready == 0 {
			continue
		}
		told = true
		if n < len(dst) {
			dst[n] = waitctx.Event{Token: s.token, Ready: ready}
			s.queued = false
			n++
		} else if len(dst) > 0 {
			p.queueLocked(i)
		}
	}
	if (!told || turned) && p.armLocked(fd) != 0 {
		p.loseLocked(fd)
	}
	return n
}

// tellBacklogLocked fills dst from the backlog with what still holds.
func (p *Poller) tellBacklogLocked(dst []waitctx.Event) int {
	n, at := 0, 0
	for ; at < len(p.backlog) && n < len(dst); at++ {
		b := p.backlog[at]
		s := &p.slots[b.index]
		if s.gen != b.gen || !s.queued {
			continue
		}
		s.queued = false
		if s.suppressed {
			continue
		}
		ready := waitctx.ReadyClosed
		if s.dead {
			p.aside = true
		} else {
			ready = readyOf(p.stateLocked(s), p.files[s.fd].kind, s.interest)
		}
		if ready != 0 {
			dst[n] = waitctx.Event{Token: s.token, Ready: ready}
			n++
		}
	}
	p.backlog = p.backlog[:copy(p.backlog, p.backlog[at:])]
	return n
}

// fetch wraps kevent(2) without changes. A negative timeout waits forever.
func (p *Poller) fetch(room int, timeout time.Duration) (int, syscall.Errno) {
	var limit *time.Duration
	if timeout >= 0 {
		p.scratch.timeout = min(timeout, maxSleep)
		limit = &p.scratch.timeout
	}
	n, err := p.sys.Kevent(nil, p.scratch.rows[:p.size(room)], limit)
	errno := errnoOf(err)
	if errno == unix.ETIMEDOUT { // macOS may say so, and other than in its manual: go.dev/issue/59679
		return 0, 0
	}
	return n, errno
}

// size is how many rows to fetch: no more than dst has room for, or events
// would queue here instead of in the kernel, which knows when they are over.
func (p *Poller) size(room int) int {
	return max(1, min(room, len(p.scratch.rows)))
}
