//go:build unix

package jobnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// errno is what a call of package unix failed with.
func errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var e syscall.Errno
	if !errors.As(err, &e) {
		return syscall.EINVAL
	}
	return e
}

// sysConnect begins to connect a new socket. EINPROGRESS comes with the socket:
// it is writable when there is an outcome, which sysConnected tells.
func sysConnect(to net.Addr) (int, syscall.Errno) {
	family, sa, err := sockaddr(to)
	if err != nil {
		return -1, errno(err)
	}
	fd, e := sysSocket(family)
	if e != 0 {
		return -1, e
	}
	if family != unix.AF_UNIX {
		sysTune(fd)
	}
	switch e = errno(unix.Connect(fd, sa)); e {
	case 0, syscall.EINPROGRESS:
		return fd, e
	case syscall.EINTR: // connecting goes on: see connect(2)
		return fd, syscall.EINPROGRESS
	}
	unix.Close(fd)
	return -1, e
}

// sysConnected is the outcome of a connect; EINPROGRESS if there is none yet.
func sysConnected(fd int) syscall.Errno {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || n != 0 {
		return max(errno(err), syscall.Errno(n))
	}
	if _, err := unix.Getpeername(fd); err == unix.ENOTCONN {
		return syscall.EINPROGRESS
	}
	return 0
}

func sockaddr(a net.Addr) (family int, sa unix.Sockaddr, err error) {
	switch a := a.(type) {
	case *net.UnixAddr:
		return unix.AF_UNIX, &unix.SockaddrUnix{Name: a.Name}, nil
	case *net.TCPAddr:
		if ip4 := a.IP.To4(); ip4 != nil {
			sa := &unix.SockaddrInet4{Port: a.Port}
			copy(sa.Addr[:], ip4)
			return unix.AF_INET, sa, nil
		}
		sa := &unix.SockaddrInet6{Port: a.Port, ZoneId: zoneID(a.Zone)}
		copy(sa.Addr[:], a.IP.To16())
		return unix.AF_INET6, sa, nil
	}
	return 0, nil, syscall.EAFNOSUPPORT
}

// sockname is the inverse.
func sockname(sa unix.Sockaddr) address {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return address{tcp: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrInet6:
		return address{tcp: netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).WithZone(zoneName(sa.ZoneId)), uint16(sa.Port))}
	case *unix.SockaddrUnix:
		if sa.Name != unnamedAs {
			return address{other: &net.UnixAddr{Name: sa.Name, Net: "unix"}}
		}
	}
	return address{other: unnamed}
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.Atoi(zone)
	return uint32(n)
}

func zoneName(id uint32) string {
	if id == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(id)); err == nil {
		return i.Name
	}
	return strconv.Itoa(int(id))
}

// sysDup duplicates a stream socket and makes sure that it does not block.
func sysDup(fd int) (int, error) {
	if typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return -1, os.NewSyscallError("getsockopt", err)
	} else if typ != unix.SOCK_STREAM {
		return -1, errors.New("not a stream socket")
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(dup, true); err != nil {
		unix.Close(dup)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return dup, nil
}

// sysTune does as package net: no Nagle, keep-alive on. Neither failing hurts
// the connection.
func sysTune(fd int) {
	sysNoDelay(fd, true)
	sysKeepAlive(fd, true)
	sysKeepAliveTimes(fd)
}

func sysNoDelay(fd int, on bool) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, flag(on)))
}

func sysKeepAlive(fd int, on bool) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, flag(on)))
}

func sysLinger(fd int, sec int) error {
	l := unix.Linger{}
	if sec >= 0 {
		l.Onoff, l.Linger = 1, int32(sec)
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l))
}

// sysBuffer sets how many bytes the system keeps, of what is to be sent or of what
// came.
func sysBuffer(fd, bytes int, out bool) error {
	opt := unix.SO_RCVBUF
	if out {
		opt = unix.SO_SNDBUF
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, bytes))
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// sysShutdownIsSilent: a shutdown of the socket's own makes nothing ready.
const sysShutdownIsSilent = false

func sysShutdown(fd int, write bool) error {
	how := unix.SHUT_RD
	if write {
		how = unix.SHUT_WR
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, how))
}

func sysClose(fd int) { unix.Close(fd) }
