//go:build unix

package pollfd

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipe brings poll(2) back. Both ends are non-blocking and close-on-exec.
type pipe struct{ r, w int }

// newPipe opens a pipe. pipe2(2) is not everywhere, so the lock keeps a fork
// of this process from happening before the flags are set.
func newPipe() (pipe, error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return pipe{}, os.NewSyscallError("pipe", err)
	}
	p := pipe{r: fds[0], w: fds[1]}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			p.close()
			return pipe{}, os.NewSyscallError("fcntl", err)
		}
	}
	return p, nil
}

// write puts one byte in. It fails in no way that matters: a full pipe is
// readable too.
func (p pipe) write() {
	for {
		if _, err := unix.Write(p.w, []byte{1}); err != unix.EINTR {
			return
		}
	}
}

// drain takes that byte out again.
func (p pipe) drain() {
	var b [8]byte
	for {
		if _, err := unix.Read(p.r, b[:]); err != unix.EINTR {
			return
		}
	}
}

func (p pipe) close() error {
	return errors.Join(
		os.NewSyscallError("close", unix.Close(p.r)),
		os.NewSyscallError("close", unix.Close(p.w)),
	)
}
