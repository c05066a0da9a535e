//go:build unix

package fdtest

import (
	"math"
	"testing"
	"time"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// EBADF is what the system calls a descriptor that is not open.
const EBADF = unix.EBADF

// WildFD is not open: it is the largest number there could be.
const WildFD = waitctx.FD(math.MaxInt32)

// The paths of a regular file, a directory, and the null device.
const (
	RegularFile = "/bin/sh"
	Directory   = "/"
	NullDevice  = "/dev/null"
)

// Addr is where a listener listens.
type Addr = unix.Sockaddr

// AnonymousPipe opens a pipe as the system has it.
func AnonymousPipe(t testing.TB) (r, w *File) {
	t.Helper()
	return Pipe(t)
}

// Limit is how many descriptors the process may have.
func Limit(t testing.TB) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("getrlimit: %v", err)
	}
	return int(min(uint64(limit.Cur), 1<<30))
}

// TryWrite writes what is taken of s, if anything.
func (f *File) TryWrite(s string) { unix.Write(f.num, []byte(s)) }

// WriteUrgent writes out-of-band data.
func (f *File) WriteUrgent(s string) error {
	return unix.Sendto(f.num, []byte(s), unix.MSG_OOB, nil)
}

// ShutdownWrite tells the peer that nothing follows.
func (f *File) ShutdownWrite() error { return unix.Shutdown(f.num, unix.SHUT_WR) }

// Reset closes a TCP connection by a reset.
func (f *File) Reset() {
	f.t.Helper()
	if err := unix.SetsockoptLinger(f.num, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		f.t.Fatalf("SO_LINGER: %v", err)
	}
	f.Close()
}

// HangUp closes the descriptor such that its peer is hung up.
func (f *File) HangUp() { f.Close() }

// Connect begins to connect a socket. refused says that it was at once.
func (f *File) Connect(to Addr) (refused bool) {
	f.t.Helper()
	err := unix.Connect(f.num, to)
	if err != nil && err != unix.EINPROGRESS && err != unix.ECONNREFUSED {
		f.t.Fatalf("connect: %v", err)
	}
	return err == unix.ECONNREFUSED
}

// Refused says whether the socket's pending error is a refused connect.
func (f *File) Refused() (is bool, err error) {
	code, err := unix.GetsockoptInt(f.num, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil {
		err = unix.Errno(code)
	}
	return err == unix.ECONNREFUSED, err
}

// Poll asks the system itself what a descriptor is ready for.
func Poll(t testing.TB, fd waitctx.FD, i waitctx.Interest) waitctx.Ready {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd)}}
	if i&waitctx.Readable != 0 {
		fds[0].Events |= unix.POLLIN
	}
	if i&waitctx.Writable != 0 {
		fds[0].Events |= unix.POLLOUT
	}
	for {
		_, err := unix.Poll(fds, 0)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			t.Fatalf("poll: %v", err)
		}
	}
	var ready waitctx.Ready
	for _, bit := range []struct {
		poll int16
		told waitctx.Ready
	}{
		{unix.POLLIN, waitctx.ReadyIn},
		{unix.POLLOUT, waitctx.ReadyOut},
		{unix.POLLERR, waitctx.ReadyErr},
		{unix.POLLHUP, waitctx.ReadyHup},
	} {
		if fds[0].Revents&bit.poll != 0 {
			ready |= bit.told
		}
	}
	return ready
}

// Inherited says whether another program gets the descriptor by exec.
func Inherited(fd int) (bool, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return flags&unix.FD_CLOEXEC == 0, err
}

// ProcessorTime is what the process has used so far.
func ProcessorTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatalf("getrusage: %v", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// HidesEnd says whether the system tells of the end of a stream only when all
// the bytes before it were read.
func HidesEnd(testing.TB) bool { return false }

// DiesOfReuse says whether polling a number while it is made a socket again ends
// the system. Only Wine's.
func DiesOfReuse() bool { return false }

// HidesReset says whether reading from a connection that was reset finds the end
// of the stream.
func HidesReset(testing.TB) bool { return false }
