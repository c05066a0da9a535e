package jobnet

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"bide/jobs"
	"bide/waitctx"
)

// ErrWouldBlock is what TryRead and its kin return instead of pausing. It is a
// temporary net.Error, which crypto/tls does not take for the end.
var ErrWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "jobnet: would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// Conn is a TCP connection on a scheduler's loop.
type Conn struct {
	s             *jobs.Scheduler
	fd            int
	local, remote net.Addr
	read, write   half
	open          int // halves whose wait the kernel may hold, and one for Close
	closed        bool
}

// half is one direction: a wait of its own, since each is awaited by itself.
type half struct {
	ctx   waitctx.WaitCtx
	watch jobs.Watch
}

func newConn(s *jobs.Scheduler, fd int, remote net.Addr) (*Conn, error) {
	c := &Conn{s: s, fd: fd, local: sysLocal(fd), remote: remote, open: 1}
	sysNoDelay(fd)
	if err := c.register(&c.read, waitctx.Readable); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// register has the scheduler watch a direction.
func (c *Conn) register(h *half, i waitctx.Interest) error {
	err := h.ctx.Set(h, waitctx.Wait{FD: waitctx.FD(c.fd), Interest: i, Kind: waitctx.Socket,
		Cleanup: func(any, waitctx.Wait) { c.release() }})
	if err == nil {
		h.watch, err = c.s.Watch(&h.ctx, nil)
	}
	if err == nil {
		c.open++
	}
	return err
}

// release closes the descriptor once the last delete has been applied.
func (c *Conn) release() {
	if c.open--; c.open == 0 {
		sysClose(c.fd)
	}
}

func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF || err == error(ErrWouldBlock) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// TryRead reads what is there, or returns ErrWouldBlock. The peer's end is a
// bare io.EOF.
func (c *Conn) TryRead(b []byte) (int, error) {
	if c.closed {
		return 0, c.opError("read", net.ErrClosed)
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := sysRead(c.fd, b)
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	return n, c.opError("read", err)
}

// TryWrite writes what fits, or returns ErrWouldBlock.
func (c *Conn) TryWrite(b []byte) (int, error) {
	if c.closed {
		return 0, c.opError("write", net.ErrClosed)
	}
	n, err := sysWrite(c.fd, b)
	return n, c.opError("write", err)
}

// waitFor pauses j until the direction is ready.
func (c *Conn) waitFor(j jobs.Job, op string, h *half) error {
	err := h.watch.Wait(j)
	if errors.Is(err, jobs.ErrCanceled) && c.closed {
		err = net.ErrClosed
	}
	return c.opError(op, err)
}

func (c *Conn) waitWritable(j jobs.Job) error {
	if c.write.watch == (jobs.Watch{}) {
		if err := c.register(&c.write, waitctx.Writable); err != nil {
			return c.opError("write", err)
		}
	}
	return c.waitFor(j, "write", &c.write)
}

// ReadWatch is the watch of the read direction: its SetFunc is the stackless rest.
func (c *Conn) ReadWatch() jobs.Watch { return c.read.watch }

// LocalAddr returns the socket's own address.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the peer's.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// CloseWrite tells the peer that nothing follows.
func (c *Conn) CloseWrite() error {
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	return c.opError("close", sysShutdownWrite(c.fd))
}

// Close ends the connection: paused calls get net.ErrClosed, and the
// descriptor is closed once the poller has let go of it.
func (c *Conn) Close() error {
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.read.watch.Stop()
	c.write.watch.Stop()
	c.release()
	return nil
}

// view is a Conn whose calls pause a job.
type view struct {
	*Conn
	j jobs.Job
}

// In returns the net.Conn whose calls pause j.
func (c *Conn) In(j jobs.Job) net.Conn { return view{c, j} }

func (v view) Read(b []byte) (int, error) {
	for {
		n, err := v.TryRead(b)
		if err != error(ErrWouldBlock) {
			return n, err
		}
		if err := v.waitFor(v.j, "read", &v.read); err != nil {
			return 0, err
		}
	}
}

func (v view) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := v.TryWrite(b[done:])
		done += n
		if err == error(ErrWouldBlock) {
			err = v.waitWritable(v.j)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (v view) SetDeadline(t time.Time) error { return v.SetReadDeadline(t) }

func (v view) SetReadDeadline(t time.Time) error {
	v.read.watch.SetDeadline(t)
	return nil
}

// SetWriteDeadline is not supported yet.
func (v view) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
