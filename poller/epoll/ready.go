//go:build linux

package epoll

import (
	"bide/internal/pollbits"
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
	mask := pollbits.Mask(i)
	if i&edge != 0 {
		mask |= unix.EPOLLET
		if i&waitctx.Readable != 0 {
			mask |= unix.EPOLLPRI // a read stops short of urgent data: see moreThanData
		}
	}
	return mask
}

// moreThanData reports whether an event says more than that there is data, or room
// for it: what may be hidden behind a short read, and must not be told just once.
func moreThanData(events uint32) bool { return events&^(unix.EPOLLIN|unix.EPOLLOUT) != 0 }

// readyOf translates what the kernel reported, and filters it by interest, as
// others may share the registration. It is looked up, as it is asked for each
// event.
func readyOf(events uint32, i waitctx.Interest) waitctx.Ready {
	return readiness[i&asked][events&0x1f|events>>8&0x20]
}

// readiness is pollbits.Ready of every combination: the five lowest bits that
// epoll_ctl(2) has, and EPOLLRDHUP in the place of the sixth.
var readiness = func() (table [asked + 1][0x40]waitctx.Ready) {
	for i := range table {
		for bits := range table[i] {
			events := uint32(bits&0x1f | bits&0x20<<8)
			table[i][bits] = pollbits.Ready(events, waitctx.Interest(i))
		}
	}
	return table
}()
