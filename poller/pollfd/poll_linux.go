package pollfd

import (
	"time"

	"golang.org/x/sys/unix"
)

const subMilli = true

// poll wraps ppoll(2), whose timeout is in nanoseconds; a negative one waits
// forever.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	// A day at most, since 386 counts seconds in 32 bits. The caller comes
	// back for the rest.
	ts := unix.NsecToTimespec(int64(min(timeout, 24*time.Hour)))
	return unix.Ppoll(fds, &ts, nil)
}
