package jobnet

import (
	"syscall"

	"bide/jobs"
)

// CloseWrite tells the peer that nothing follows; reading goes on.
func (c *Conn) CloseWrite() error {
	return c.opError("close", c.control(func(fd int) error { return sysShutdown(fd, true) }))
}

// CloseRead ends reading: reads return io.EOF.
func (c *Conn) CloseRead() error {
	return c.opError("close", c.control(func(fd int) error { return sysShutdown(fd, false) }))
}

// SetNoDelay turns Nagle's algorithm off (the default) or on.
func (c *Conn) SetNoDelay(noDelay bool) error {
	return c.opError("set", c.control(func(fd int) error { return sysNoDelay(fd, noDelay) }))
}

// SetKeepAlive turns keep-alive probes on (the default) or off.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.opError("set", c.control(func(fd int) error { return sysKeepAlive(fd, keepalive) }))
}

// SetLinger sets SO_LINGER as net.TCPConn has it: sec < 0 for the system's
// default, 0 to discard what was not sent. A close that lingers for longer
// holds the loop meanwhile.
func (c *Conn) SetLinger(sec int) error {
	return c.opError("set", c.control(func(fd int) error { return sysLinger(fd, sec) }))
}

// SyscallConn returns the descriptor for system calls of the caller's own.
// Control may be called from anywhere; Read and Write, for goroutines other
// than the loop's, have the loop call their function.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

type rawConn struct{ c *Conn }

func (r rawConn) Control(fn func(fd uintptr)) error {
	return r.c.opError("raw-control", r.c.control(func(fd int) error { fn(uintptr(fd)); return nil }))
}

func (r rawConn) Read(fn func(fd uintptr) bool) error {
	return r.c.opError("raw-read", r.until(&r.c.rd, fn))
}

func (r rawConn) Write(fn func(fd uintptr) bool) error {
	return r.c.opError("raw-write", r.until(&r.c.wr, fn))
}

// until calls fn on the loop, each time the direction is ready, until it is
// content.
func (r rawConn) until(h *half, fn func(fd uintptr) bool) error {
	err := errLost
	if e := r.c.run(func(j jobs.Job) {
		for {
			if err = r.c.check(h); err != nil {
				return
			}
			if h.drained = false; fn(uintptr(r.c.fd)) {
				return
			}
			if err = r.c.wait(j, h); err != nil {
				return
			}
		}
	}); e != nil {
		err = e
	}
	return err
}
