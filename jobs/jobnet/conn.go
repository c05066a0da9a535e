package jobnet

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"bide/jobs"
)

var _ net.Conn = (*Conn)(nil)

// maxIO bounds what one system call moves: it holds the loop meanwhile.
const maxIO = 256 << 10

// Conn is a TCP or Unix stream connection on a scheduler's loop. The package
// comment says who may call what. Of net.TCPConn it lacks ReadFrom and WriteTo, so that
// io.Copy copies by way of memory where that may have sendfile(2) or splice(2),
// SetKeepAlivePeriod, SetKeepAliveConfig and MultipathTCP.
type Conn struct {
	socket
	ends
}

// newConn takes over a connected, non-blocking descriptor, of which plain says
// that it is plain TCP. Loop only.
func newConn(s *jobs.Scheduler, fd int, e ends, plain bool) (*Conn, error) {
	c := &Conn{socket: socket{s: s, num: int32(fd), edges: plain}, ends: e}
	if err := c.start(); err != nil {
		return nil, err
	}
	return c, nil
}

// Adopt takes over a connection of package net, or another stream socket that
// is a syscall.Conn: it duplicates the descriptor and closes the original. If it
// cannot be duplicated, the original stays open and the caller's; if s is closed, the
// original is closed too, and the error wraps net.ErrClosed. Any goroutine may call it.
func Adopt(s *jobs.Scheduler, c net.Conn) (*Conn, error) {
	fd, err := adopt(c, c)
	if err != nil {
		return nil, err
	}
	n := &Conn{socket: socket{s: s, num: int32(fd), edges: sysPlainTCP(fd)}, ends: dialledTo(addressOf(c.LocalAddr()), addressOf(c.RemoteAddr()))}
	if err := n.startLater(); err != nil {
		return nil, n.opError("adopt", err)
	}
	return n, nil
}

// adopt duplicates the stream socket behind c and closes c, unless it fails.
func adopt(c any, closer io.Closer) (int, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("jobnet: cannot adopt %T: it has no descriptor", c)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, derr := -1, error(nil)
	if err := raw.Control(func(from uintptr) { fd, derr = sysDup(int(from)) }); err != nil {
		return -1, err
	}
	if derr != nil {
		return -1, fmt.Errorf("jobnet: cannot adopt %T: %w", c, derr)
	}
	if ul, ok := c.(*net.UnixListener); ok {
		ul.SetUnlinkOnClose(false) // the path is still in use
	}
	closer.Close() // what it says does not concern the duplicate
	return fd, nil
}

func (c *Conn) opError(op string, err error) error {
	if bare(err) {
		return err
	}
	return &net.OpError{Op: op, Net: c.network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// recv is one read(2). A read that returned less than it was asked for has
// drained the socket: the next call would only hear so, and says so without
// asking. That holds for one call, after which readiness has spoken, or the
// caller insists; with edges it is known whether that has spoken already.
func (c *Conn) recv(b []byte) (int, syscall.Errno) {
	if c.unread {
		return c.reread(b), 0
	}
	if c.drained {
		if c.drained = false; !c.edges || c.rd.w.Drained() {
			return 0, syscall.EAGAIN
		}
	}
	b = b[:min(len(b), maxIO)]
	n, e := sysRead(c.fd(), b)
	c.drained = 0 < n && n < len(b)
	if c.drained || e == syscall.EAGAIN {
		c.sawNoMore()
	}
	return n, e
}

// read is Read in a job.
func (c *Conn) read(j jobs.Job, b []byte) (int, error) {
	if err := c.breathe(j); err != nil {
		return 0, err
	}
	if len(b) == 0 && !c.life.isClosed() {
		return 0, nil
	}
	for {
		if err := c.check(&c.rd); err != nil {
			return 0, err
		}
		n, e := c.recv(b)
		switch {
		case n > 0:
			return n, nil
		case e == 0:
			return 0, io.EOF
		case e != syscall.EAGAIN:
			return 0, sysError("read", e)
		}
		if err := c.wait(j, &c.rd); err != nil {
			return 0, err
		}
	}
}

// Read is Read of net.Conn, for goroutines other than the loop's.
func (c *Conn) Read(b []byte) (n int, err error) {
	err = errLost
	if e := c.run(func(j jobs.Job) { n, err = c.read(j, b) }); e != nil {
		err = e
	}
	return n, c.opError("read", err)
}

// Write is Write of net.Conn, for goroutines other than the loop's.
func (c *Conn) Write(b []byte) (n int, err error) {
	err = errLost
	if e := c.run(func(j jobs.Job) { n, err = c.write(j, b) }); e != nil {
		err = e
	}
	return n, c.opError("write", err)
}

// TryRead reads what is there, or returns ErrWouldBlock: read until it does,
// and ReadWatch, or a view's Read, will tell of what comes later. The peer's end is a
// bare io.EOF. Loop only. Deadlines do not concern it.
func (c *Conn) TryRead(b []byte) (int, error) {
	if c.life.isClosed() {
		return 0, c.opError("read", c.closedError())
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, e := c.recv(b)
	switch {
	case n > 0:
		return n, nil
	case e == 0:
		return 0, io.EOF
	case e == syscall.EAGAIN:
		return 0, ErrWouldBlock
	}
	return 0, c.opError("read", sysError("read", e))
}

// TryWrite writes what fits, and returns ErrWouldBlock if that is not all of b,
// or if another call is in the middle of its writing. Loop only. Deadlines do
// not concern it.
func (c *Conn) TryWrite(b []byte) (int, error) {
	if c.life.isClosed() {
		return 0, c.opError("write", c.closedError())
	}
	if len(b) == 0 {
		return 0, nil
	}
	if o := c.wr.Load(); o != nil {
		if !o.mu.TryLock() {
			return 0, ErrWouldBlock
		}
		defer o.mu.Unlock()
	}
	n, e := 0, syscall.Errno(0)
	for n < len(b) && e == 0 {
		var m int
		m, e = c.send(b[n:])
		n += m
	}
	switch e {
	case 0:
		return n, nil
	case syscall.EAGAIN:
		return n, ErrWouldBlock
	}
	return n, c.opError("write", sysError("write", e))
}

// ReadWatch is the Watch of the read direction: with SetFunc it has a job
// started when there is something to read. At the end of the stream there always
// is: a function that is told of it, or of an error, closes the connection, or takes
// itself away by SetFunc(nil). After Close it is not started again. Loop only. It is
// the zero Watch once the connection is closed.
func (c *Conn) ReadWatch() jobs.Watch {
	if c.life.isClosed() {
		return jobs.Watch{}
	}
	if c.watch(&c.rd) != nil {
		return jobs.Watch{}
	}
	return c.rd.w
}

// Close ends the connection: waiting calls and later ones return net.ErrClosed.
// The descriptor is closed once the poller has let go of it. Bytes that were
// written are still sent, but as ever with TCP, if some that came were never
// read the peer may see a reset instead.
func (c *Conn) Close() error {
	if !c.closeLater() {
		return c.opError("close", net.ErrClosed)
	}
	return nil
}

// Abort is Close that tells the peer, by a reset, that what it has is not all: what was
// written and not sent yet is dropped. The peer of a Unix socket just sees the end. Any
// goroutine may call it.
func (c *Conn) Abort() error {
	c.control(func(fd int) error { return sysLinger(fd, 0) })
	return c.Close()
}

// SetDeadline sets both deadlines, as net.Conn has it.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.opError("set", c.setDeadlines(t, &c.rd, c.outFor(t)))
}

// SetReadDeadline sets when reads give up. A function of ReadWatch is started
// then, and its job's Reason is os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.opError("set", c.setDeadlines(t, &c.rd))
}

// SetWriteDeadline sets when writes give up.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.opError("set", c.setDeadlines(t, c.outFor(t)))
}
