//go:build unix

// Package pollbits translates interests to what poll(2) is asked, and its answers
// to what is ready. On Linux the bits of epoll(7) are the same.
package pollbits

import (
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Mask translates an interest. Silent asks for nothing: POLLERR and POLLHUP come
// unasked.
func Mask(i waitctx.Interest) uint32 {
	var mask uint32
	if i&waitctx.Readable != 0 {
		mask |= unix.POLLIN | rdHup
	}
	if i&waitctx.Writable != 0 {
		mask |= unix.POLLOUT
	}
	if i&waitctx.Priority != 0 {
		mask |= unix.POLLPRI
	}
	return mask
}

// Ready translates events, and filters them by interest, as the kernel may have
// been asked for more. Hang-up and error make a file readable and writable: no
// call on it blocks, and a pipe's end of file is POLLHUP alone.
func Ready(events uint32, i waitctx.Interest) waitctx.Ready {
	var ready waitctx.Ready
	if events&unix.POLLERR != 0 {
		ready |= waitctx.ReadyErr
	}
	if events&unix.POLLHUP != 0 {
		ready |= waitctx.ReadyHup
	}
	over := ready != 0
	if i&waitctx.Readable != 0 {
		if over || events&(unix.POLLIN|rdHup) != 0 {
			ready |= waitctx.ReadyIn
		}
		if events&rdHup != 0 {
			ready |= waitctx.ReadyRdHup
		}
	}
	if i&waitctx.Writable != 0 && (over || events&unix.POLLOUT != 0) {
		ready |= waitctx.ReadyOut
	}
	if i&waitctx.Priority != 0 && events&unix.POLLPRI != 0 {
		ready |= waitctx.ReadyPri
	}
	return ready
}
