//go:build unix && !linux

package jobnet

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// What accepted sockets inherit differs between systems: set it again.
const sysInherits = false

// unnamedAs is what an unbound Unix socket is called.
const unnamedAs = ""

func sysRead(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Read(fd, b)
		if err == nil {
			return n, 0
		}
		if err != unix.EINTR {
			return 0, errno(err)
		}
	}
}

func sysWrite(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, err := unix.Write(fd, b)
		if err == nil {
			return n, 0
		}
		if err != unix.EINTR {
			return 0, errno(err)
		}
	}
}

// sysWritev writes the first of the buffers, and returns besides how much that
// would be: writev(2) is not in package unix for every system.
func sysWritev(fd int, buffers [][]byte) (n, size int, e syscall.Errno) {
	n, e = sysWrite(fd, buffers[0])
	return n, len(buffers[0]), e
}

// accept4(2) is not everywhere. The lock keeps a fork from the descriptor.
func sysAccept(fd int) (int, address, syscall.Errno) {
	syscall.ForkLock.RLock()
	conn, sa, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(conn)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, address{}, errno(err)
	}
	if err := unix.SetNonblock(conn, true); err != nil {
		unix.Close(conn)
		return -1, address{}, errno(err)
	}
	return conn, sockname(sa), 0
}

// sysLocal is the address of the socket's own end, or nothing.
func sysLocal(fd int) address {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return address{}
	}
	return sockname(sa)
}

func sysSocket(family int) (int, syscall.Errno) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, errno(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, errno(err)
	}
	return fd, 0
}

// No backend knows edges here.
func sysPlainTCP(int) bool { return false }

// The options for the times differ between systems, whose defaults stand.
func sysKeepAliveTimes(int) {}
