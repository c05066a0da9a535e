//go:build unix

package jobnet

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func sysRead(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), sysErr("read", err)
		}
	}
}

func sysWrite(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return max(n, 0), sysErr("write", err)
		}
	}
}

// sysErr names the call that failed; would-block has a value of its own.
func sysErr(call string, err error) error {
	if err == unix.EAGAIN || err == unix.EINPROGRESS {
		return ErrWouldBlock
	}
	return os.NewSyscallError(call, err)
}

func sysAccept(fd int) (int, net.Addr, error) {
	for {
		// accept4 is not everywhere; the lock keeps a fork from the descriptor.
		syscall.ForkLock.RLock()
		conn, sa, err := unix.Accept(fd)
		if err == nil {
			unix.CloseOnExec(conn)
		}
		syscall.ForkLock.RUnlock()
		switch err {
		case nil:
			if err := unix.SetNonblock(conn, true); err != nil {
				unix.Close(conn)
				return -1, nil, os.NewSyscallError("setnonblock", err)
			}
			return conn, tcpAddr(sa), nil
		case unix.EINTR, unix.ECONNABORTED:
		default:
			return -1, nil, sysErr("accept", err)
		}
	}
}

func sysConnect(addr *net.TCPAddr) (int, error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(nil)
	if ip4 := addr.IP.To4(); ip4 != nil || addr.IP == nil {
		family = unix.AF_INET
		four := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}}
		copy(four.Addr[:], ip4)
		sa = four
	} else {
		six := &unix.SockaddrInet6{Port: addr.Port}
		copy(six.Addr[:], addr.IP.To16())
		sa = six
	}
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = unix.SetNonblock(fd, true); err == nil {
		err = unix.Connect(fd, sa)
	}
	if err = sysErr("connect", err); err != nil && err != error(ErrWouldBlock) {
		unix.Close(fd)
		return -1, err
	}
	return fd, err
}

func sysError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = syscall.Errno(n)
	}
	return os.NewSyscallError("connect", err)
}

func sysLocal(fd int) net.Addr {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return nil
	}
	return tcpAddr(sa)
}

func tcpAddr(sa unix.Sockaddr) net.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	}
	return &net.TCPAddr{}
}

// sysNoDelay does as package net: no Nagle, keep-alive on. Neither failing
// hurts the connection.
func sysNoDelay(fd int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

func sysDup(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return dup, os.NewSyscallError("fcntl", err)
}

func sysShutdownWrite(fd int) error {
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
}

func sysClose(fd int) { unix.Close(fd) }
