//go:build linux

package epoll

import (
	"math"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fetch wraps epoll_pwait(2) without a timeout. As it does not block, Go's
// scheduler need not hear of it. It is small enough to be inlined.
func (p *Poller) fetch(rows *unix.EpollEvent, size uintptr) (uintptr, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.set), uintptr(unsafe.Pointer(rows)), size, 0, 0, 0)
	return n, errno
}

// hold wraps epoll_pwait(2) without an end. Go's scheduler does not hear of it:
// see holding.
func (p *Poller) hold(size uintptr) (int, unix.Errno) {
	const forever = ^uintptr(0)
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.set), p.buffer(), size, forever, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// block wraps epoll_pwait2(2), or epoll_pwait(2) with the timeout rounded up
// where the kernel lacks it. A negative timeout waits forever.
func (p *Poller) block(size uintptr, timeout time.Duration) (int, unix.Errno) {
	if !p.scratch.noPwait2 {
		n, errno := p.pwait2(size, timeout)
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return n, errno
		}
		p.mu.Lock()
		p.scratch.noPwait2 = true
		p.mu.Unlock()
	}
	n, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.set), p.buffer(), size,
		uintptr(millis(timeout)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func (p *Poller) pwait2(size uintptr, timeout time.Duration) (int, unix.Errno) {
	var ts unsafe.Pointer
	if timeout >= 0 {
		timeout = min(timeout, maxSleep)
		p.scratch.timeout = [2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
		ts = unsafe.Pointer(&p.scratch.timeout)
	}
	n, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.set), p.buffer(), size,
		uintptr(ts), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// probe finds out whether there is epoll_pwait2(2), for Caps to be true where
// there is no alarm.
func (p *Poller) probe() {
	_, errno := p.pwait2(1, 0)
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
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(set), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(e)), 0, 0)
	p.stats.Ctl++
	return errno
}
