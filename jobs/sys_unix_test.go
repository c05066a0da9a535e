//go:build unix

package jobs_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// errBadFD is what the system calls a descriptor that is not open.
const errBadFD = unix.EBADF

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	for _, fd := range p {
		unix.SetNonblock(fd, true)
		t.Cleanup(func() { unix.Close(fd) })
	}
	return p[0], p[1]
}

func sysRead(fd int, b []byte) (int, error)  { return unix.Read(fd, b) }
func sysWrite(fd int, b []byte) (int, error) { return unix.Write(fd, b) }
