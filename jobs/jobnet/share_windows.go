package jobnet

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"bide/jobs"

	"golang.org/x/sys/windows"
)

// Windows has no SO_REUSEPORT: its SO_REUSEADDR lets anybody take a port over.
// So the listeners of one address are duplicates of one socket. Each loop polls
// its own; a connection wakes all that are at rest, and the first to accept has
// it.

// shared are the listeners with ReusePort, by descriptor and by address.
var shared struct {
	count atomic.Int32
	sync.Mutex
	byFD map[int][]string
	open map[string][]int
}

// sharing has one Listen with ReusePort go on after the other: two that both found
// nobody would ask the kernel for one address twice.
var sharing sync.Mutex

func sysShareLock() (unlock func()) {
	sharing.Lock()
	return sharing.Unlock
}

// exclusive keeps others from the port while it is listened on, which listening
// alone does not on Windows: see SO_EXCLUSIVEADDRUSE.
var exclusive = func(network, _ string, c syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	const soExclusiveAddrUse = ^windows.SO_REUSEADDR
	if cerr := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soExclusiveAddrUse, 1))
	}); cerr != nil {
		return cerr
	}
	return err
}

// sharedListener duplicates a listener of this process on that address, if there
// is one with ReusePort, and else returns nil.
func sharedListener(s *jobs.Scheduler, network, address string) (*Listener, error) {
	shared.Lock()
	defer shared.Unlock()
	of := shared.open[network+" "+address]
	if len(of) == 0 {
		return nil, nil
	}
	fd, err := sysDup(of[0])
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	for _, key := range shared.byFD[of[0]] {
		shareLocked(fd, key)
	}
	l := newListener(s, fd, sysLocal(fd).addr())
	if !s.Post(func() { l.start() }) {
		go sysClose(fd) // which wants the lock
		return nil, l.opError("listen", net.ErrClosed)
	}
	return l, nil
}

// sysShare has others find a listener under its addresses.
func sysShare(fd int, network string, addresses ...string) {
	shared.Lock()
	defer shared.Unlock()
	for _, a := range addresses {
		if _, port, err := net.SplitHostPort(a); err == nil && port != "0" {
			shareLocked(fd, network+" "+a)
		}
	}
}

func shareLocked(fd int, key string) {
	if shared.byFD == nil {
		shared.byFD, shared.open = make(map[int][]string), make(map[string][]int)
	}
	if len(shared.byFD[fd]) == 0 {
		shared.count.Add(1)
	}
	shared.byFD[fd] = append(shared.byFD[fd], key)
	shared.open[key] = append(shared.open[key], fd)
}

// unshare forgets a descriptor that is about to be closed.
func unshare(fd int) {
	if shared.count.Load() == 0 {
		return
	}
	shared.Lock()
	defer shared.Unlock()
	if len(shared.byFD[fd]) == 0 {
		return
	}
	shared.count.Add(-1)
	for _, key := range shared.byFD[fd] {
		kept := shared.open[key][:0]
		for _, other := range shared.open[key] {
			if other != fd {
				kept = append(kept, other)
			}
		}
		if shared.open[key] = kept; len(kept) == 0 {
			delete(shared.open, key)
		}
	}
	delete(shared.byFD, fd)
}
