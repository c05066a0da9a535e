//go:build linux

package epoll

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// parking has a Wait sleep on Go's own netpoller, which can watch an epoll set
// as it watches a socket: the goroutine is parked, and no thread is blocked in a
// system call.
//
// A blocked one is found by the runtime's monitor after 20 microseconds, which
// takes its processor away and stays awake for that. With one processor and
// little traffic this cost more than the traffic.
type parking struct {
	file  *os.File // a duplicate of the set's descriptor
	conn  syscall.RawConn
	ask   func(uintptr) bool // fetches, and reports whether there was anything
	off   bool               // the netpoller does not take the set
	size  uintptr
	asked int // how often, in this park
	rows  int
	errno unix.Errno
}

// park is sleep on the netpoller. The first look at the set comes after the
// netpoller was told to forget what it knows, so that nothing falls between the
// two.
func (k *parking) park(size uintptr) (rows int, slept bool, errno unix.Errno) {
	k.size, k.asked, k.rows, k.errno = size, 0, 0, 0
	if k.conn.Read(k.ask) != nil {
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
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would not try
		unix.Close(fd)
		return err
	}
	k.file = os.NewFile(uintptr(fd), "epoll")
	if k.conn, err = k.file.SyscallConn(); err != nil {
		k.close()
		return err
	}
	k.ask = func(uintptr) bool {
		n, errno := p.fetch(&p.scratch.rows[0], k.size)
		k.asked++
		k.rows, k.errno = int(n), errno
		return n > 0 || errno != 0
	}
	return nil
}

// close forgets the set, which is about to be closed.
func (k *parking) close() {
	if k.file != nil {
		k.file.Close()
	}
	k.file, k.conn = nil, nil
}
