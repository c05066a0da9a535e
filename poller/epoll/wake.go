//go:build linux

package epoll

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// ownMask watches the eventfd and the timers edge-triggered: each write or expiry
// is one event, and none has to be read back.
const ownMask = unix.EPOLLIN | unix.EPOLLET&0xffffffff

// The cookies of these. Slot 0, which they name, is of generation 1.
const (
	wakeCookie  = 0
	tickCookie  = 2 << 32
	alarmCookie = 3 << 32
)

// waker brings epoll_wait(2) back through an eventfd(2).
//
// pending is set before the write and cleared by Wait when it sees the event,
// never by a timeout, so that no Wake is lost. An event that finds it clear is
// not a Wake: it is an interrupt of the poller's own, or the first event of a new set.
type waker struct {
	pending atomic.Bool

	mu    sync.Mutex // guards what follows, and keeps an interrupt from a number closed and used again
	fd    int
	count uint64 // what write(2) and read(2) point to
	shut  bool
}

// Wake ends a Wait, as [bide/poller.Poller] has it.
func (p *Poller) Wake() error {
	if p.closed.Load() {
		return waitctx.ErrClosed
	}
	if p.wake.pending.CompareAndSwap(false, true) && !p.wake.interrupt() {
		return waitctx.ErrClosed
	}
	return nil
}

func (w *waker) open() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	w.fd = fd
	return os.NewSyscallError("eventfd2", err)
}

// interrupt ends a sleep by one event. It reports false if the waker is closed.
func (w *waker) interrupt() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return false
	}
	for {
		w.count = 1
		errno := w.transfer(unix.SYS_WRITE)
		if errno == unix.EAGAIN { // the count is full, after 2^64 wakes or by foul play
			w.transfer(unix.SYS_READ)
			continue
		}
		if errno != unix.EINTR {
			return true
		}
	}
}

func (w *waker) transfer(trap uintptr) unix.Errno {
	_, _, errno := syscall.RawSyscall(trap, uintptr(w.fd), uintptr(unsafe.Pointer(&w.count)), 8)
	return errno
}

func (w *waker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut = true
	if w.fd < 0 {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(w.fd))
}
