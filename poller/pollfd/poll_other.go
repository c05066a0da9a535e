//go:build unix && !linux

package pollfd

import (
	"time"

	"golang.org/x/sys/unix"
)

const subMilli = false

// poll wraps poll(2). Its timeout is in milliseconds, rounded up so that it is
// never early; a negative one waits forever.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Poll(fds, -1)
	}
	// A day at most, since the argument is a C int. The caller comes back
	// for the rest.
	timeout = min(timeout, 24*time.Hour)
	return unix.Poll(fds, int((timeout+time.Millisecond-1)/time.Millisecond))
}
