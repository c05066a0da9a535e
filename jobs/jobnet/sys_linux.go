package jobnet

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accepted sockets have the listening one's options: tcp(7) has it so on Linux,
// which saves five system calls a connection.
const sysInherits = true

// unnamedAs is what an unbound Unix socket is called, here as in package net.
const unnamedAs = "@"

// Reads and writes go by RawSyscall: on a non-blocking socket they return soon,
// and telling Go's scheduler costs as much as a short one. recvfrom(2) and
// sendto(2) reach the socket without what read(2) and write(2) do for files:
// each took about 80 ns less. Where sockets once had one call for all
// (socketcall(2): 386, s390x) they are there since Linux 4.3.
// Package syscall's RawSyscall6 is one step nearer than package unix's. MSG_DONTWAIT
// is for whoever has a duplicate of the descriptor and has made that block, as Fd of
// an os.File does: all of them block then, and the loop would sleep in here.

func sysRead(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
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
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
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
	var v [maxBuffers]unix.Iovec
	for i, b := range buffers {
		v[i].Base = &b[0]
		v[i].SetLen(len(b))
		size += len(b)
	}
	msg := unix.Msghdr{Iov: &v[0]}
	msg.SetIovlen(len(buffers))
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if e == 0 {
			return int(n), size, 0
		}
		if e != syscall.EINTR {
			return 0, size, e
		}
	}
}

// Addresses are read by system calls of our own. Those of package unix ask the
// kernel for the protocol each time, and leave 144 bytes a connection behind: a
// heap of a few megabytes is not collected, so they stay resident.

func sysAccept(fd int) (int, address, syscall.Errno) {
	var sa unix.RawSockaddrAny
	conn, e := sysNamed(unix.SYS_ACCEPT4, fd, &sa, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if e != 0 {
		return -1, address{}, e
	}
	if ap := inetOf(&sa); ap.IsValid() {
		return conn, address{tcp: ap}, 0
	}
	if sa, err := unix.Getpeername(conn); err == nil {
		return conn, sockname(sa), 0
	}
	return conn, address{other: unnamed}, 0
}

// sysLocal is the address of the socket's own end, or nothing.
func sysLocal(fd int) address {
	var raw unix.RawSockaddrAny
	if _, e := sysNamed(unix.SYS_GETSOCKNAME, fd, &raw, 0); e != 0 {
		return address{}
	}
	if ap := inetOf(&raw); ap.IsValid() {
		return address{tcp: ap}
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return address{}
	}
	return sockname(sa)
}

// sysNamed is a system call that stores an address.
func sysNamed(trap uintptr, fd int, sa *unix.RawSockaddrAny, flags uintptr) (int, syscall.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	r, _, e := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(&size)), flags, 0, 0)
	return int(r), e
}

// inetOf is the address in sa if it is one of TCP.
func inetOf(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), portOf(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		ip := netip.AddrFrom16(in.Addr)
		return netip.AddrPortFrom(ip.WithZone(zoneName(in.Scope_id)), portOf(&in.Port))
	}
	return netip.AddrPort{}
}

// portOf reads a port, which is in network byte order.
func portOf(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

func sysSocket(family int) (int, syscall.Errno) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, errno(err)
}

// sysPlainTCP reports whether a socket is one of TCP, and not of MPTCP, whose reads
// need not say when there is no more.
func sysPlainTCP(fd int) bool {
	proto, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	return err == nil && proto == unix.IPPROTO_TCP
}

// sysKeepAliveTimes probes every 15 seconds, as package net does.
func sysKeepAliveTimes(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
}
