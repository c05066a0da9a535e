//go:build linux

package epoll

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timer is a timerfd(2) in the set, watched edge-triggered. It fires once for
// each set: the kernel goes on with a periodic one only when it is read.
type timer struct{ fd int } // -1 where there is none

func (t *timer) open() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	t.fd = fd
	if err == unix.ENOSYS || err == unix.EPERM { // a sandbox
		t.fd = -1
		return nil
	}
	return os.NewSyscallError("timerfd_create", err)
}

// set has it fire once, after d. It reports whether it will.
func (t *timer) set(d time.Duration) bool {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))} // 0 would stop it
	return t.fd >= 0 && unix.TimerfdSettime(t.fd, 0, &spec, nil) == nil
}

func (t *timer) close() error {
	if t.fd < 0 {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(t.fd))
}

// alarm is the timer that ends a Wait, so that a sleep need not have an end.
type alarm struct {
	timer
	at time.Duration // when it fires or has fired, since started
}

// setFor has it fire at end at the latest. That it fires before costs less than
// to set it for each Wait anew: the loop's next timer changes seldom, and mostly
// to a later one.
func (a *alarm) setFor(now, end time.Duration) bool {
	if a.at <= now || end < a.at {
		if !a.set(end - now) {
			return false
		}
		a.at = end
	}
	return true
}
