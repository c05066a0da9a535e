//go:build linux

package epoll

import (
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// maskOf translates an interest to what epoll_ctl(2) is asked. Silent asks for
// nothing: EPOLLERR and EPOLLHUP come unasked, and again and again. With
// EPOLLONESHOT they come once, where an empty mask would make a hung-up file
// that nobody listens to spin.
func maskOf(i waitctx.Interest) uint32 {
	if i == disarmed {
		return unix.EPOLLONESHOT
	}
	var mask uint32
	if i&waitctx.Readable != 0 {
		mask |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if i&waitctx.Writable != 0 {
		mask |= unix.EPOLLOUT
	}
	if i&waitctx.Priority != 0 {
		mask |= unix.EPOLLPRI
	}
	return mask
}

// readyOf translates what the kernel reported, and filters it by interest, as
// others may share the registration. Hang-up and error make a file readable
// and writable: no call on it blocks, and a pipe's end of file is EPOLLHUP
// alone.
func readyOf(events uint32, i waitctx.Interest) waitctx.Ready {
	var ready waitctx.Ready
	over := events&(unix.EPOLLERR|unix.EPOLLHUP) != 0
	if over {
		if events&unix.EPOLLERR != 0 {
			ready |= waitctx.ReadyErr
		}
		if events&unix.EPOLLHUP != 0 {
			ready |= waitctx.ReadyHup
		}
	}
	if i&waitctx.Readable != 0 {
		if over || events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
			ready |= waitctx.ReadyIn
		}
		if events&unix.EPOLLRDHUP != 0 {
			ready |= waitctx.ReadyRdHup
		}
	}
	if i&waitctx.Writable != 0 && (over || events&unix.EPOLLOUT != 0) {
		ready |= waitctx.ReadyOut
	}
	if i&waitctx.Priority != 0 && events&unix.EPOLLPRI != 0 {
		ready |= waitctx.ReadyPri
	}
	return ready
}
