package jobnet

import (
	"context"
	"net"
	"syscall"

	"bide/jobs"
	"bide/waitctx"
)

// Listener accepts connections on a scheduler's loop. Its methods belong to the
// loop: call them from a job, from Post, or before Run.
type Listener struct {
	s      *jobs.Scheduler
	fd     int
	addr   net.Addr
	ctx    waitctx.WaitCtx
	watch  jobs.Watch
	closed bool
}

// Option configures Listen.
type Option func(*net.ListenConfig)

// ReusePort sets SO_REUSEPORT, so that each loop has a listener of its own and
// the kernel spreads connections over them.
func ReusePort() Option {
	return func(lc *net.ListenConfig) {
		lc.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			if cerr := c.Control(func(fd uintptr) { err = sysReusePort(int(fd)) }); cerr != nil {
				return cerr
			}
			return err
		}
	}
}

// Listen announces a TCP address.
func Listen(s *jobs.Scheduler, network, address string, opts ...Option) (*Listener, error) {
	var lc net.ListenConfig
	for _, o := range opts {
		o(&lc)
	}
	nl, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	defer nl.Close() // the duplicate below lives on
	tl, ok := nl.(*net.TCPListener)
	if !ok {
		return nil, &net.OpError{Op: "listen", Net: network, Err: net.UnknownNetworkError(network)}
	}
	raw, err := tl.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &Listener{s: s, addr: nl.Addr(), fd: -1}
	var derr error
	if err := raw.Control(func(fd uintptr) { l.fd, derr = sysDup(int(fd)) }); err != nil {
		return nil, err
	}
	if derr != nil {
		return nil, derr
	}
	err = l.ctx.Set(l, waitctx.Wait{FD: waitctx.FD(l.fd), Kind: waitctx.Socket,
		Cleanup: func(any, waitctx.Wait) { sysClose(l.fd) }})
	if err == nil {
		l.watch, err = s.Watch(&l.ctx, nil)
	}
	if err != nil {
		sysClose(l.fd)
		return nil, err
	}
	return l, nil
}

// Addr is where the listener listens.
func (l *Listener) Addr() net.Addr { return l.addr }

// Watch is the listener's watch: its SetFunc accepts without a job at rest.
func (l *Listener) Watch() jobs.Watch { return l.watch }

// TryAccept accepts a connection, or returns ErrWouldBlock. EMFILE and ENFILE
// are for the caller to back off; connections aborted meanwhile are passed over.
func (l *Listener) TryAccept() (*Conn, error) {
	if l.closed {
		return nil, l.opError(net.ErrClosed)
	}
	fd, remote, err := sysAccept(l.fd)
	if err != nil {
		if err == error(ErrWouldBlock) {
			return nil, err
		}
		return nil, l.opError(err)
	}
	return newConn(l.s, fd, remote)
}

func (l *Listener) opError(err error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
}

// AcceptIn accepts a connection, pausing j until there is one.
func (l *Listener) AcceptIn(j jobs.Job) (*Conn, error) {
	for {
		c, err := l.TryAccept()
		if err != error(ErrWouldBlock) {
			return c, err
		}
		if err := l.watch.Wait(j); err != nil {
			if l.closed {
				err = net.ErrClosed
			}
			return nil, l.opError(err)
		}
	}
}

// Close ends the listener; paused calls get net.ErrClosed.
func (l *Listener) Close() error {
	if l.closed {
		return l.opError(net.ErrClosed)
	}
	l.closed = true
	l.watch.Stop()
	return nil
}

// DialIn connects to a TCP address, pausing j meanwhile. A name is looked up on
// another goroutine.
func DialIn(j jobs.Job, network, address string) (*Conn, error) {
	addr, err := jobs.Await(j, func(context.Context) (*net.TCPAddr, error) {
		return net.ResolveTCPAddr(network, address)
	})
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
	}
	fd, err := sysConnect(addr)
	if err != nil && err != error(ErrWouldBlock) {
		return fail(err)
	}
	c, cerr := newConn(j.Scheduler(), fd, addr)
	if cerr != nil {
		return nil, cerr
	}
	if err != nil { // under way: writable is the end of it
		if err = c.waitWritable(j); err == nil {
			err = sysError(fd)
		}
		if err != nil {
			c.Close()
			return fail(err)
		}
	}
	return c, nil
}
