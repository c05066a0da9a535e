package jobs_test

import (
	"testing"

	"bide/internal/fdtest"

	"golang.org/x/sys/windows"
)

// errBadFD is what the system calls a handle that is not open.
const errBadFD = windows.ERROR_INVALID_HANDLE

// pipe stands for a pipe: two connected sockets, used one way.
func pipe(t *testing.T) (r, w int) {
	t.Helper()
	a, b := fdtest.Pipe(t)
	return a.Num(), b.Num()
}

func sysRead(fd int, b []byte) (int, error) {
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n, flags uint32
	err := windows.WSARecv(windows.Handle(fd), &buf, 1, &n, &flags, nil, nil)
	return int(n), err
}

func sysWrite(fd int, b []byte) (int, error) {
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n uint32
	err := windows.WSASend(windows.Handle(fd), &buf, 1, &n, 0, nil, nil)
	return int(n), err
}
