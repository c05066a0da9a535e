package jobnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	ws2_32          = windows.NewLazySystemDLL("ws2_32.dll")
	procAccept      = ws2_32.NewProc("accept")
	procIoctlsocket = ws2_32.NewProc("ioctlsocket")
)

// What accepted sockets inherit is not documented option by option: set it again.
const sysInherits = false

// unnamedAs is what an unbound Unix socket is called.
const unnamedAs = ""

// socketFlags: the sockets must be overlapped to be polled, though all calls on
// them are plain ones that do not block.
const socketFlags = windows.WSA_FLAG_OVERLAPPED | windows.WSA_FLAG_NO_HANDLE_INHERIT

// errno is what a call of Winsock failed with. What this package asks for by
// name gets the name it has elsewhere; the rest stays, as package net has it.
func errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var e syscall.Errno
	if !errors.As(err, &e) {
		return syscall.EINVAL
	}
	switch e {
	case windows.WSAEWOULDBLOCK:
		return syscall.EAGAIN
	case windows.WSAEMFILE:
		return syscall.EMFILE
	}
	return e
}

// sysRead finds the end of the stream after a shutdown of the socket's own, as
// read(2) has it.
func sysRead(fd int, b []byte) (int, syscall.Errno) {
	v := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n, flags uint32
	err := windows.WSARecv(windows.Handle(fd), &v, 1, &n, &flags, nil, nil)
	if err == windows.WSAESHUTDOWN {
		return 0, 0
	}
	if err != nil {
		return 0, errno(err)
	}
	return int(n), 0
}

func sysWrite(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := sysWritev(fd, [][]byte{b})
	return n, e
}

// sysWritev writes the buffers, maxBuffers at most and none of them empty, and
// says how much they hold.
func sysWritev(fd int, buffers [][]byte) (n, size int, e syscall.Errno) {
	var v [maxBuffers]windows.WSABuf
	for i, b := range buffers {
		v[i] = windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
		size += len(b)
	}
	var sent uint32
	err := windows.WSASend(windows.Handle(fd), &v[0], uint32(len(buffers)), &sent, 0, nil, nil)
	if err != nil {
		return 0, size, errno(err)
	}
	return int(sent), size, 0
}

// sysAccept accepts a connection; one that was reset meanwhile is ECONNABORTED.
func sysAccept(fd int) (int, address, syscall.Errno) {
	var sa windows.RawSockaddrAny
	size := int32(unsafe.Sizeof(sa))
	r, _, e := syscall.SyscallN(procAccept.Addr(), uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	h := windows.Handle(r)
	if h == windows.InvalidHandle {
		switch e {
		case windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.WSAENOTCONN:
			e = syscall.ECONNABORTED
		}
		return -1, address{}, errno(e)
	}
	if err := unblocked(h); err != nil {
		return -1, address{}, errno(err)
	}
	remote, err := sa.Sockaddr()
	if err != nil {
		return int(h), address{other: unnamed}, 0
	}
	return int(h), sockname(remote), 0
}

// unblocked makes a new socket non-blocking and keeps it from child processes.
// If that fails the socket is closed.
func unblocked(h windows.Handle) error {
	if err := nonblocking(h, true); err != nil {
		windows.Closesocket(h)
		return err
	}
	windows.SetHandleInformation(h, windows.HANDLE_FLAG_INHERIT, 0) // accept has no flag for it
	return nil
}

func nonblocking(h windows.Handle, on bool) error {
	const fionbio = 0x8004667e
	mode := uint32(flag(on))
	r, _, e := syscall.SyscallN(procIoctlsocket.Addr(), uintptr(h), fionbio, uintptr(unsafe.Pointer(&mode)))
	if r != 0 {
		return os.NewSyscallError("ioctlsocket", e)
	}
	return nil
}

// sysConnect begins to connect a new socket. EINPROGRESS comes with the socket:
// it is writable when there is an outcome, which sysConnected tells.
func sysConnect(to net.Addr) (int, syscall.Errno) {
	family, sa, err := sockaddr(to)
	if err != nil {
		return -1, errno(err)
	}
	h, err := windows.WSASocket(int32(family), windows.SOCK_STREAM, 0, nil, 0, socketFlags)
	if err == nil {
		err = unblocked(h)
	}
	if err != nil {
		return -1, errno(err)
	}
	if t, ok := to.(*net.TCPAddr); ok {
		sysTune(int(h))
		if t.IP.IsLoopback() {
			failFast(h)
		}
	}
	switch e := errno(windows.Connect(h, sa)); e {
	case 0:
		return int(h), 0
	case syscall.EAGAIN:
		return int(h), syscall.EINPROGRESS
	default:
		windows.Closesocket(h)
		return -1, e
	}
}

// synRetries is how often a connect to this machine is tried again where nobody
// listens. Windows 10 of version 1709 and later takes for none what to the others is
// 254.
var synRetries = sync.OnceValue(func() uint8 {
	const noRetransmissions, atLeast, version1709 = 0xfe, 1, 16299
	if major, _, build := windows.RtlGetNtVersionNumbers(); major < 10 || build < version1709 {
		return atLeast
	}
	return noRetransmissions
})

// failFast has a connect to this machine fail at once where nobody listens, as
// package net does: Windows would go on for two seconds.
func failFast(h windows.Handle) {
	const sioTCPInitialRTO = 0x98000011
	params := struct {
		rtt     uint16
		retries uint8
	}{0xffff, synRetries()} // the first is unspecified
	var n uint32
	windows.WSAIoctl(h, sioTCPInitialRTO, (*byte)(unsafe.Pointer(&params)), uint32(unsafe.Sizeof(params)), nil, 0, &n, nil, 0)
}

// sysConnected is the outcome of a connect; EINPROGRESS if there is none yet.
func sysConnected(fd int) syscall.Errno {
	const soError = 0x1007
	n, err := windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soError)
	if err != nil || n != 0 {
		return max(errno(err), syscall.Errno(n))
	}
	if _, err := windows.Getpeername(windows.Handle(fd)); err == windows.WSAENOTCONN {
		return syscall.EINPROGRESS
	}
	return 0
}

func sockaddr(a net.Addr) (family int, sa windows.Sockaddr, err error) {
	switch a := a.(type) {
	case *net.UnixAddr:
		return windows.AF_UNIX, &windows.SockaddrUnix{Name: a.Name}, nil
	case *net.TCPAddr:
		if ip4 := a.IP.To4(); ip4 != nil {
			sa := &windows.SockaddrInet4{Port: a.Port}
			copy(sa.Addr[:], ip4)
			return windows.AF_INET, sa, nil
		}
		sa := &windows.SockaddrInet6{Port: a.Port, ZoneId: zoneID(a.Zone)}
		copy(sa.Addr[:], a.IP.To16())
		return windows.AF_INET6, sa, nil
	}
	return 0, nil, windows.WSAEAFNOSUPPORT
}

// sockname is the inverse.
func sockname(sa windows.Sockaddr) address {
	switch sa := sa.(type) {
	case *windows.SockaddrInet4:
		return address{tcp: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *windows.SockaddrInet6:
		return address{tcp: netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).WithZone(zoneName(sa.ZoneId)), uint16(sa.Port))}
	case *windows.SockaddrUnix:
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

// sysLocal is the address of the socket's own end, or nothing.
func sysLocal(fd int) address {
	sa, err := windows.Getsockname(windows.Handle(fd))
	if err != nil {
		return address{}
	}
	return sockname(sa)
}

// sysDup duplicates a stream socket and makes sure that it does not block. One
// of package net is bound to the completion port of Go's own poller for good,
// which plain calls and polls do not touch.
func sysDup(fd int) (int, error) {
	const soType = 0x1008
	if typ, err := windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soType); err != nil {
		return -1, os.NewSyscallError("getsockopt", err)
	} else if typ != windows.SOCK_STREAM {
		return -1, errors.New("not a stream socket")
	}
	var info windows.WSAProtocolInfo
	if err := windows.WSADuplicateSocket(windows.Handle(fd), windows.GetCurrentProcessId(), &info); err != nil {
		return -1, os.NewSyscallError("WSADuplicateSocket", err)
	}
	const fromInfo = -1 // FROM_PROTOCOL_INFO
	h, err := windows.WSASocket(fromInfo, fromInfo, fromInfo, &info, 0, socketFlags)
	if err != nil {
		return -1, os.NewSyscallError("WSASocket", err)
	}
	if err := unblocked(h); err != nil {
		return -1, err
	}
	return int(h), nil
}

// sysTune does as package net: no Nagle, keep-alive on, with a probe every 15
// seconds. Neither failing hurts the connection.
func sysTune(fd int) {
	sysNoDelay(fd, true)
	ka := windows.TCPKeepalive{OnOff: 1, Time: 15_000, Interval: 15_000}
	var n uint32
	if windows.WSAIoctl(windows.Handle(fd), windows.SIO_KEEPALIVE_VALS, (*byte)(unsafe.Pointer(&ka)),
		uint32(unsafe.Sizeof(ka)), nil, 0, &n, nil, 0) != nil {
		sysKeepAlive(fd, true)
	}
}

func sysPlainTCP(int) bool { return false } // no backend knows edges here

func sysNoDelay(fd int, on bool) error {
	return os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, windows.TCP_NODELAY, flag(on)))
}

func sysKeepAlive(fd int, on bool) error {
	return os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_KEEPALIVE, flag(on)))
}

func sysLinger(fd int, sec int) error {
	l := windows.Linger{}
	if sec >= 0 {
		l.Onoff, l.Linger = 1, int32(sec)
	}
	return os.NewSyscallError("setsockopt", windows.SetsockoptLinger(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_LINGER, &l))
}

// sysBuffer sets how many bytes the system keeps, of what is to be sent or of what
// came.
func sysBuffer(fd, bytes int, out bool) error {
	opt := windows.SO_RCVBUF
	if out {
		opt = windows.SO_SNDBUF
	}
	return os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, opt, bytes))
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// sysShutdownIsSilent: a shutdown of the socket's own makes nothing ready.
const sysShutdownIsSilent = true

func sysShutdown(fd int, write bool) error {
	how := windows.SHUT_RD
	if write {
		how = windows.SHUT_WR
	}
	return os.NewSyscallError("shutdown", windows.Shutdown(windows.Handle(fd), how))
}

// sysClose blocks where SetLinger asked for that. A socket that does not block is
// left open by closesocket then, with WSAEWOULDBLOCK.
func sysClose(fd int) {
	unshare(fd)
	h := windows.Handle(fd)
	if windows.Closesocket(h) == windows.WSAEWOULDBLOCK {
		nonblocking(h, false)
		windows.Closesocket(h)
	}
}
