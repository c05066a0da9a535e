//go:build linux

package epoll

import (
	"bide/internal/netpark"

	"golang.org/x/sys/unix"
)

// parking has a Wait sleep on Go's own netpoller, which can watch an epoll set
// as it watches a socket.
type parking struct {
	netpark.Parking
	off   bool // the netpoller does not take the set
	size  uintptr
	asked int // how often, in this park
	rows  int
	errno unix.Errno
}

// park is sleep on the netpoller.
func (k *parking) park(size uintptr) (rows int, slept bool, errno unix.Errno) {
	k.size, k.asked, k.rows, k.errno = size, 0, 0, 0
	if k.Park() != nil {
		k.off = true
		return 0, false, 0
	}
	return k.rows, k.asked > 1, k.errno
}

// open hands a duplicate of the set to the netpoller.
func (k *parking) open(p *Poller) error {
	fd, err := unix.FcntlInt(uintptr(p.set), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return k.Open(fd, func(uintptr) bool { // fetches, and reports whether there was anything
		n, errno := p.fetch(&p.scratch.rows[0], k.size)
		k.asked++
		k.rows, k.errno = int(n), errno
		return n > 0 || errno != 0
	})
}
