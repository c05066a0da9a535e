//go:build linux

package kqmodel

import (
	"time"

	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

// System is one system's kind of kqueue.
type System struct {
	Caps kqsys.Caps

	// brokenPipe is what adding Write to a pipe without a reader fails with.
	// kqueue(2) has EV_EOF for a reader that disconnects later, and ERRORS
	// leaves this case out; the pipe's kqfilter in each kernel decides it.
	brokenPipe unix.Errno
	// noFilter is what a character device without a filter of its own fails
	// with; 0 if it is always ready (seltrue_filter(9)).
	noFilter unix.Errno
	// enableLooks says whether EV_ENABLE alone runs the filter, so that what
	// became ready while the knote was disabled is returned.
	enableLooks bool
	// keepsFlags says whether a row with EV_ERROR keeps the change's flags.
	keepsFlags bool

	tick       time.Duration // timeouts end with one
	longest    time.Duration // timeout; a longer one is EINVAL. 0: no limit
	silentClip time.Duration // a longer timeout counts as this. 0: never
}

// The systems.
var (
	// FreeBSD has everything but EVFILT_EXCEPT.
	FreeBSD = System{
		Caps:        kqsys.Caps{System: "FreeBSD", User: true, Receipt: true, SubMilli: true},
		brokenPipe:  unix.EPIPE,
		noFilter:    unix.ENODEV,
		enableLooks: true,
	}
	// Darwin has everything, and refuses timeouts beyond what its clock counts.
	Darwin = System{
		Caps:        kqsys.Caps{System: "macOS", User: true, Receipt: true, Except: true, SubMilli: true},
		brokenPipe:  unix.EPIPE,
		noFilter:    unix.EINVAL,
		enableLooks: true,
		keepsFlags:  true,
		longest:     100_000_000 * time.Second, // kqueue(2), EINVAL: the time limit is invalid
	}
	// NetBSD is NetBSD 9, which has no EVFILT_USER, EV_RECEIPT or EV_DISPATCH. Its
	// clock ticks a hundred times a second: tstohz in kqueue_scan of kern_event.c.
	NetBSD = System{
		Caps:       kqsys.Caps{System: "NetBSD"},
		brokenPipe: unix.EBADF,
		tick:       10 * time.Millisecond,
	}
	// OpenBSD has no EVFILT_USER. Its clock ticks a hundred times a second, and
	// kqueue(2), BUGS, limits the timeout to 24 hours without an error.
	OpenBSD = System{
		Caps:        kqsys.Caps{System: "OpenBSD", Receipt: true, Except: true},
		enableLooks: true,
		tick:        10 * time.Millisecond,
		silentClip:  24 * time.Hour,
	}
)

// Systems are all of them.
var Systems = []System{FreeBSD, Darwin, NetBSD, OpenBSD}

// limit is the timeout a system makes of one it is given.
func (s *System) limit(d time.Duration) (time.Duration, unix.Errno) {
	if d < 0 || s.longest > 0 && d > s.longest {
		return 0, unix.EINVAL // kqueue(2), ERRORS: the specified time limit is invalid
	}
	if s.silentClip > 0 {
		d = min(d, s.silentClip)
	}
	if s.tick > 0 {
		d = (d + s.tick - 1) / s.tick * s.tick
	}
	return d, 0
}
