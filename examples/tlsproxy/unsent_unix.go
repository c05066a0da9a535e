//go:build linux || darwin

package main

import (
	"bide/jobs/jobnet"

	"golang.org/x/sys/unix"
)

// maxUnsent is how much the system is to keep of what a peer has no room for yet.
const maxUnsent = 128 << 10

// keepLittle has c tell that there is room as soon as the peer takes some of
// maxUnsent. Without it that comes when a third of a send buffer of megabytes is free:
// to a peer that reads slowly nothing would seem to be carried for a minute.
func keepLittle(c *jobnet.Conn) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { // without it -idle-timeout is less exact
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
		})
	}
}
