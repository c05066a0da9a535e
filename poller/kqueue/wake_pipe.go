//go:build unix

package kqueue

import (
	"errors"
	"os"
	"syscall"

	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

// pipeEvent wakes through a pipe, on systems without EVFILT_USER. Both ends are
// non-blocking and close-on-exec.
type pipeEvent struct{ r, w int }

// newPipeEvent opens a pipe. pipe2(2) is not everywhere, so the lock keeps a
// fork of this process from happening before the flags are set.
func newPipeEvent() (pipeEvent, error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return pipeEvent{}, os.NewSyscallError("pipe", err)
	}
	e := pipeEvent{r: fds[0], w: fds[1]}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			e.close()
			return pipeEvent{}, os.NewSyscallError("fcntl", err)
		}
	}
	return e, nil
}

// change registers the reading end.
func (e pipeEvent) change() kqsys.Event {
	return kqsys.Event{Ident: uintptr(e.r), Filter: kqsys.Read, Flags: kqsys.Add}
}

func (e pipeEvent) is(row *kqsys.Event) bool {
	return row.Ident == uintptr(e.r) && row.Filter == kqsys.Read
}

// write puts one byte in. A full pipe is readable too.
func (e pipeEvent) write() error {
	for {
		_, err := unix.Write(e.w, []byte{1})
		if err == unix.EAGAIN {
			return nil
		}
		if err != unix.EINTR {
			return os.NewSyscallError("write", err)
		}
	}
}

// drain empties the pipe.
func (e pipeEvent) drain() {
	var b [64]byte
	for {
		n, err := unix.Read(e.r, b[:])
		if err != unix.EINTR && n < len(b) {
			return
		}
	}
}

func (e pipeEvent) close() error {
	return errors.Join(
		os.NewSyscallError("close", unix.Close(e.r)),
		os.NewSyscallError("close", unix.Close(e.w)),
	)
}
