package jobnet

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accepted sockets have the listening one's options: tcp(7) has it so on Linux,
// which saves five system calls a connection.
const sysInherits = true

// Reads and writes go by RawSyscall: on a non-blocking socket they return soon,
// and telling Go's scheduler costs as much as a short one. recvfrom(2) and
// sendto(2) reach the socket without what read(2) and write(2) do for files:
// each took about 80 ns less. Where sockets once had one call for all
// (socketcall(2): 386, s390x) they are there since Linux 4.3.

func sysRead(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

func sysWrite(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

// sysWritev writes the buffers, maxBuffers at most and none of them empty, and
// returns besides how much that would be.
func sysWritev(fd int, buffers [][]byte) (n, size int, e syscall.Errno) {
	var v [maxBuffers]syscall.Iovec
	for i, b := range buffers {
		v[i].Base = &b[0]
		v[i].SetLen(len(b))
		size += len(b)
	}
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v)), uintptr(len(buffers)))
		if e == 0 {
			return int(n), size, 0
		}
		if e != syscall.EINTR {
			return 0, size, e
		}
	}
}

func sysAccept(fd int) (int, address, syscall.Errno) {
	conn, sa, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return -1, address{}, errno(err)
	}
	return conn, sockname(sa), 0
}

func sysSocket(family int) (int, syscall.Errno) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, errno(err)
}

// sysKeepAliveTimes probes every 15 seconds, as package net does.
func sysKeepAliveTimes(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
}
