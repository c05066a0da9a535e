//go:build unix

package fdtest

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// RawPipe opens a close-on-exec pipe that the caller closes, for goroutines
// that may not end the test and open too many to keep until its end.
func RawPipe() (r, w int, err error) {
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		return -1, -1, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds[0], fds[1], nil
}

// RawDup opens a second descriptor of the same file, close-on-exec too.
func RawDup(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	dup, err := unix.Dup(fd)
	if err == nil {
		unix.CloseOnExec(dup)
	}
	return dup, err
}

// RawWrite writes s.
func RawWrite(fd int, s string) error {
	_, err := unix.Write(fd, []byte(s))
	return err
}

// RawClose closes descriptors.
func RawClose(fds ...int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
