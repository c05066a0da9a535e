//go:build linux

package epoll

import (
	"math"
	"os"
	"runtime"
	"time"
	"unsafe"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	maxRows  = 1024           // fetched at once
	maxSleep = 24 * time.Hour // in one system call; what is left follows in the next
	maxRun   = 64             // dead cookies in a row that give a ghost away
)

// Wait fills dst with what is ready and returns how many events that are. It
// blocks until there is one, until timeout has passed (never, if negative), or
// until Wake; the last two return 0 and no error. With more ready than dst
// holds, the next Wait goes on where this one stopped.
//
// A second goroutine gets waitctx.ErrBusy, and a poller closed before or
// during Wait answers waitctx.ErrClosed.
func (p *Poller) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return 0, waitctx.ErrClosed
	}
	if p.waiting {
		return 0, waitctx.ErrBusy
	}
	if rows := min(len(dst), maxRows); rows > len(p.scratch.rows) {
		p.scratch.rows = make([]unix.EpollEvent, rows)
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
	if len(p.backlog) > 0 && p.outer >= 0 {
		p.wake.write() // FD must stay readable
	}
	return n, err
}

// collectLocked takes what is ready now. It reports whether Wait is to return.
//
// What the backlog gave is returned by itself, as the kernel would report the
// same registrations once more. A fetch that held nothing to tell is followed
// by another one, since it may have hidden what is behind it; each either
// silences what it found or ends in a rebuild.
func (p *Poller) collectLocked(dst []waitctx.Event) (n int, done bool, err error) {
	if n := p.tellBacklogLocked(dst); n > 0 {
		return n, true, nil
	}
	for {
		rows, errno := p.fetch(len(dst))
		if errno != 0 && errno != unix.EINTR {
			return 0, true, os.NewSyscallError("epoll_pwait", errno)
		}
		if errno == 0 && rows == 0 {
			return 0, false, nil
		}
		n, woke, err := p.deliverLocked(dst, rows)
		// A dst without room must not turn a ready descriptor into a spin.
		if n > 0 || woke || err != nil || len(dst) == 0 {
			return n, true, err
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
		rows, errno := p.block(len(dst), rest)
		p.mu.Lock()
		if p.closed.Load() {
			return 0, waitctx.ErrClosed
		}
		if errno != 0 && errno != unix.EINTR { // a signal is no reason to return; the deadline stands
			return 0, os.NewSyscallError("epoll_pwait2", errno)
		}
		n, woke, err := p.deliverLocked(dst, rows)
		if n > 0 || woke || err != nil || rows > 0 && len(dst) == 0 {
			return n, err
		}
	}
}

// deliverLocked turns fetched rows into events, and reports whether Wake was
// among them. What finds no place goes to the backlog.
func (p *Poller) deliverLocked(dst []waitctx.Event, rows int) (n int, woke bool, err error) {
	stale := false
	for r := range p.scratch.rows[:rows] {
		row := &p.scratch.rows[r]
		i, gen := uint32(row.Fd), uint32(row.Pad)
		if i == 0 {
			woke = p.wake.pending.Swap(false) || woke
			continue
		}
		if s := &p.slots[i]; s.gen != gen || s.dead {
			p.stats.Stale++
			p.run++
			stale = true
			continue
		}
		p.run = 0
		n = p.fanOutLocked(dst, n, i, row.Events)
	}
	if n < len(dst) {
		n += p.tellBacklogLocked(dst[n:])
	}
	if stale && (p.ghost || p.run >= maxRun) {
		err = p.rebuildLocked()
	}
	if n > 0 {
		err = nil // the ghost fires again, and then it is told
	}
	return n, woke, err
}

// fanOutLocked tells everybody who listens at a registration. If nobody does,
// the kernel is told to be silent about it.
func (p *Poller) fanOutLocked(dst []waitctx.Event, n int, head, events uint32) int {
	heard := false
	for i := head; i != 0; i = p.slots[i].next {
		s := &p.slots[i]
		if s.dead || s.suppressed {
			continue
		}
		ready := readyOf(events, s.interest)
		if ready == 0 {
			continue
		}
		heard = true
		if n < len(dst) {
			dst[n] = waitctx.Event{Token: s.token, Ready: ready}
			n++
		} else if len(dst) > 0 {
			p.queueLocked(i)
		}
	}
	if !heard && p.armLocked(head) != 0 {
		p.loseLocked(p.slots[head].fd)
	}
	return n
}

// tellBacklogLocked fills dst from the backlog with what still holds.
func (p *Poller) tellBacklogLocked(dst []waitctx.Event) int {
	n, at := 0, 0
	for ; at < len(p.backlog) && n < len(dst); at++ {
		b := p.backlog[at]
		s := &p.slots[b.index]
		if s.gen != b.gen {
			continue
		}
		s.queued = false
		if s.suppressed {
			continue
		}
		ready := waitctx.ReadyClosed
		if !s.dead {
			ready = readyNow(s)
		}
		if ready != 0 {
			dst[n] = waitctx.Event{Token: s.token, Ready: ready}
			n++
		}
	}
	p.backlog = p.backlog[:copy(p.backlog, p.backlog[at:])]
	return n
}

// readyNow asks poll(2) whether a slot from the backlog is still ready, as its
// descriptor may have been drained since.
func readyNow(s *slot) waitctx.Ready {
	fds := []unix.PollFd{{Fd: s.fd, Events: int16(maskOf(s.interest))}}
	if n, err := unix.Poll(fds, 0); err != nil || n == 0 {
		return 0
	}
	return readyOf(uint32(uint16(fds[0].Revents)), s.interest)
}

// fetch wraps epoll_pwait(2) without a timeout. As it does not block, Go's
// scheduler need not hear of it.
func (p *Poller) fetch(room int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.set), p.buffer(), p.size(room), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// block wraps epoll_pwait2(2), or epoll_pwait(2) with the timeout rounded up
// where the kernel lacks it. A negative timeout waits forever.
func (p *Poller) block(room int, timeout time.Duration) (int, unix.Errno) {
	if !p.scratch.noPwait2 {
		n, errno := p.pwait2(room, timeout)
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return n, errno
		}
		p.mu.Lock()
		p.scratch.noPwait2 = true
		p.mu.Unlock()
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.set), p.buffer(), p.size(room),
		uintptr(millis(timeout)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func (p *Poller) pwait2(room int, timeout time.Duration) (int, unix.Errno) {
	var ts unsafe.Pointer
	if timeout >= 0 {
		timeout = min(timeout, maxSleep)
		p.scratch.timeout = [2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
		ts = unsafe.Pointer(&p.scratch.timeout)
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.set), p.buffer(), p.size(room),
		uintptr(ts), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// probe finds out whether there is epoll_pwait2(2), for Caps to be true.
func (p *Poller) probe() {
	_, errno := p.pwait2(0, 0)
	p.scratch.noPwait2 = errno == unix.ENOSYS || errno == unix.EPERM
}

func (p *Poller) buffer() uintptr { return uintptr(unsafe.Pointer(&p.scratch.rows[0])) }

// size is how many rows to fetch: no more than dst has room for, or events
// would queue here instead of in the kernel, which knows when they are over.
func (p *Poller) size(room int) uintptr {
	return uintptr(max(1, min(room, len(p.scratch.rows))))
}

// millis rounds up, as a Wait is never early.
func millis(d time.Duration) int32 {
	if d < 0 {
		return -1
	}
	d = min(d, maxSleep)
	return int32(min((d+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
}

// ctl wraps epoll_ctl(2), which does not block.
func (p *Poller) ctl(set, op, fd int, mask uint32, cookie uint64) unix.Errno {
	e := &p.scratch.ctl
	e.Events, e.Fd, e.Pad = mask, int32(uint32(cookie)), int32(uint32(cookie>>32))
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(set), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(e)), 0, 0)
	p.stats.Ctl++
	return errno
}
