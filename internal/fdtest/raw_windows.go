package fdtest

import (
	"golang.org/x/sys/windows"
)

// RawPipe opens a one-way connection that the caller closes, for goroutines
// that may not end the test and open too many to keep until its end.
func RawPipe() (r, w int, err error) {
	a, b, err := rawPair()
	return int(a), int(b), err
}

// RawDup opens a second handle of the same socket.
func RawDup(fd int) (int, error) {
	h, err := duplicate(windows.Handle(fd))
	return int(h), err
}

// RawWrite writes s.
func RawWrite(fd int, s string) error {
	_, err := (&File{num: fd, socket: true}).write([]byte(s))
	return err
}

// RawClose closes descriptors.
func RawClose(fds ...int) {
	for _, fd := range fds {
		windows.Closesocket(windows.Handle(fd))
	}
}
