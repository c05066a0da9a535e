//go:build linux

package epoll

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ticker is a timerfd(2), watched edge-triggered. It ticks once for each set:
// the kernel goes on with a periodic one only when it is read.
type ticker struct{ fd int } // -1 where there is none

func (t *ticker) open() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	t.fd = fd
	if err == unix.ENOSYS || err == unix.EPERM { // a sandbox
		t.fd = -1
		return nil
	}
	return os.NewSyscallError("timerfd_create", err)
}

// set has it tick once, after d. It reports whether it will.
func (t *ticker) set(d time.Duration) bool {
	return t.fd >= 0 && unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil) == nil
}

func (t *ticker) close() error {
	if t.fd < 0 {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(t.fd))
}
