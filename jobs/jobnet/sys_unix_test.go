//go:build unix

package jobnet_test

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"

	"bide/internal/fdtest"

	"golang.org/x/sys/unix"
)

// What the system calls these.
const (
	errPipe       = syscall.EPIPE
	errAddrInUse  = syscall.EADDRINUSE
	errRefused    = syscall.ECONNREFUSED
	errReset      = syscall.ECONNRESET
	errWouldBlock = syscall.EAGAIN
)

func getOption(fd, level, opt int) (int, error)  { return unix.GetsockoptInt(fd, level, opt) }
func rawRead(fd int, b []byte) (int, error)      { return unix.Read(fd, b) }
func rawWrite(fd int, b []byte) (n int, _ error) { return unix.Write(fd, b) }

// neverAnswers returns the address of a listener whose backlog can be filled.
func neverAnswers(t *testing.T) string {
	t.Helper()
	sock := fdtest.Socket(t)
	if err := unix.Bind(sock.Num(), &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(sock.Num(), 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(sock.Num())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(sa.(*unix.SockaddrInet4).Port))
}

// Running out of descriptors is an error of one call, not the end.
func TestAcceptWithoutDescriptors(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "tcp")
		theirs, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		nums := fdtest.Numbers(t)
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		low := limit
		for low.Cur = 0; int(low.Cur) < len(nums) && nums[low.Cur] == int(low.Cur); low.Cur++ {
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		_, err = l.Accept()
		unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		if !errors.Is(err, syscall.EMFILE) {
			t.Errorf("Accept() = %v, want EMFILE", err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatalf("Accept() = %v with descriptors again", err)
		}
		c.Close()
	})
}
