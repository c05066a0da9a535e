package jobnet

import (
	"net"
	"time"
	"unsafe"

	"bide/jobs"
)

// DialOne is DialIn of a name that has these addresses.
func DialOne(j jobs.Job, addrs ...net.Addr) (*Conn, error) {
	until, _ := j.Deadline()
	return dialOne(j, "tcp", addrs, until)
}

// ShortenShare has each of several addresses be dialled for d at least, until what it
// returns is called.
func ShortenShare(d time.Duration) (restore func()) {
	before := leastShare
	leastShare = d
	return func() { leastShare = before }
}

// GivenBack is how many connections have bytes that were given back.
func GivenBack() (n int) {
	givenBack.Range(func(any, any) bool { n++; return true })
	return n
}

// BuffersFound reports whether crypto/tls has the buffers that this package
// takes away.
func BuffersFound() bool { return rawInputField.known && handField.known && inputField.known }

// ShortenLinger has Close try for d only, until what it returns is called.
func ShortenLinger(d time.Duration) (restore func()) {
	before := lingerTime
	lingerTime = d
	return func() { lingerTime = before }
}

// Gone reports whether the poller has let go of the connection.
func (c *Conn) Gone() bool { return c.life.word.Load()&unwatched != 0 }

// Held is the size of the buffers that crypto/tls has of t. Loop only.
func (t *TLSConn) Held() int {
	return rawInputField.of(t.tls).Cap() + handField.of(t.tls).Cap() + int(inputField.of(t.tls).Size())
}

// SetClockForward is as if the machine's clock were set forward, until what it returns
// is called: the wall clock of when the program started is that much older then, its
// monotonic reading the same.
func SetClockForward(d time.Duration) (restore func()) {
	const second = 1 << 30 // of a Time's first word, if that has a monotonic reading
	before := started
	*(*uint64)(unsafe.Pointer(&started)) -= uint64(d/time.Second) * second
	return func() { started = before }
}
