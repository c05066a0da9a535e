//go:build linux

package netpark

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Timer is a timerfd(2), to be watched edge-triggered. It fires once for each
// Set: the kernel goes on with a periodic one only when it is read.
type Timer struct{ FD int } // -1 where there is none

// Open makes the timer. In a sandbox without, there is none and no error.
func (t *Timer) Open() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	t.FD = fd
	if err == unix.ENOSYS || err == unix.EPERM {
		t.FD = -1
		return nil
	}
	return os.NewSyscallError("timerfd_create", err)
}

// Set has it fire once, after d. It reports whether it will.
func (t *Timer) Set(d time.Duration) bool {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))} // 0 would stop it
	return t.FD >= 0 && unix.TimerfdSettime(t.FD, 0, &spec, nil) == nil
}

// Close closes it, if there is one.
func (t *Timer) Close() error {
	if t.FD < 0 {
		return nil
	}
	return os.NewSyscallError("close", unix.Close(t.FD))
}

// Alarm is the timer that ends a Wait, so that a sleep need not have an end.
// The runtime's own timers are late by up to a millisecond.
type Alarm struct {
	Timer
	at time.Duration // when it fires or has fired
}

// SetFor has it fire at end at the latest, on the clock that now is of. That it
// fires before costs less than to set it for each Wait anew: the loop's next
// timer changes seldom, and mostly to a later one.
func (a *Alarm) SetFor(now, end time.Duration) bool {
	if a.at <= now || end < a.at {
		if !a.Set(end - now) {
			return false
		}
		a.at = end
	}
	return true
}
