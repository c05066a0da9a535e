package jobnet_test

import (
	"net"
	"strconv"
	"testing"

	"bide/internal/fdtest"

	"golang.org/x/sys/windows"
)

// What the system calls these.
const (
	errPipe       = windows.WSAESHUTDOWN
	errAddrInUse  = windows.WSAEADDRINUSE
	errRefused    = windows.WSAECONNREFUSED
	errReset      = windows.WSAECONNRESET
	errWouldBlock = windows.WSAEWOULDBLOCK
)

func getOption(fd, level, opt int) (int, error) {
	return windows.GetsockoptInt(windows.Handle(fd), level, opt)
}

func rawRead(fd int, b []byte) (int, error) {
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n, flags uint32
	err := windows.WSARecv(windows.Handle(fd), &buf, 1, &n, &flags, nil, nil)
	return int(n), err
}

func rawWrite(fd int, b []byte) (int, error) {
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n uint32
	err := windows.WSASend(windows.Handle(fd), &buf, 1, &n, 0, nil, nil)
	return int(n), err
}

// neverAnswers returns the address of a listener whose backlog can be filled.
func neverAnswers(t *testing.T) string {
	t.Helper()
	sock := fdtest.Socket(t)
	h := windows.Handle(sock.Num())
	if err := windows.Bind(h, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := windows.Listen(h, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := windows.Getsockname(h)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(sa.(*windows.SockaddrInet4).Port))
}
