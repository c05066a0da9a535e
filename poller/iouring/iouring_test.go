//go:build linux

package iouring_test

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"bide/poller"
	"bide/poller/iouring"
	"bide/poller/pollertest"
	"bide/poller/pollfd"

	"golang.org/x/sys/unix"
)

var _ poller.Poller = (*iouring.Poller)(nil)

func TestPoller(t *testing.T) {
	open(t).Close() // skips the suite as a whole
	pollertest.Test(t, locked)
}

func FuzzPoller(f *testing.F) {
	open(f).Close()
	pollertest.Fuzz(f, locked, func(t *testing.T) poller.Poller {
		p, err := pollfd.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

func BenchmarkPoller(b *testing.B) {
	pollertest.Bench(b, func(b *testing.B) poller.Poller { return open(b) })
}

// locked opens on a thread of the test's own: Wait is exact for what the same
// thread armed.
func locked(t *testing.T) poller.Poller {
	runtime.LockOSThread()
	return open(t)
}

// open makes a poller. Where the kernel refuses io_uring, which a call beside
// the package's own has to show, the test is skipped.
func open(t testing.TB) *iouring.Poller {
	t.Helper()
	p, err := iouring.New()
	if errors.Is(err, errors.ErrUnsupported) {
		var params [120]byte
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
		if errno != 0 {
			t.Skip(err)
		}
		unix.Close(int(fd))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}
