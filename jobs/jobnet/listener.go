package jobnet

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"bide/jobs"
	"bide/waitctx"
)

var _ net.Listener = (*Listener)(nil)

// Listener accepts connections on a scheduler's loop. AcceptIn is for a job, Accept for
// goroutines other than the loop's; TryAccept and Watch are loop only. What does not
// wait (Close, SetDeadline, Addr, File and so on) may be called from everywhere.
type Listener struct {
	socket
	addr  net.Addr
	local *sharedEnd // of what it accepted last
	fixed bool       // local is known beforehand
	plain bool       // it is plain TCP, and so what it accepts
	path  string     // of a Unix socket

	unlinks atomic.Bool // Close removes that
}

// Option configures Listen.
type Option func(*listenConfig)

type listenConfig struct {
	net.ListenConfig
	shared bool
}

// ReusePort sets SO_REUSEPORT, so that each loop has a listener of its own and
// the kernel spreads connections over them. Other processes of the same user may
// share the port too, so that no EADDRINUSE tells that it is taken: to hear of that,
// listen once without it, and close that. Windows has no such option: there the
// listeners of one process that name the same address share a socket, and a
// connection goes to the first that accepts it. macOS, NetBSD and OpenBSD have the
// option, but all connections go to one of the listeners, for as long as it is open.
func ReusePort() Option {
	return func(lc *listenConfig) {
		lc.shared = true
		if exclusive != nil { // the listeners share a socket, and with no other process
			return
		}
		lc.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			if cerr := c.Control(func(fd uintptr) { err = sysReusePort(int(fd)) }); cerr != nil {
				return cerr
			}
			return err
		}
	}
}

// Listen announces an address of network tcp, tcp4, tcp6 or unix. Any goroutine
// may call it. On Windows nobody else can take over a port that is listened on, and
// it may not be free after Close until what was accepted there is closed too
// (SO_EXCLUSIVEADDRUSE).
func Listen(s *jobs.Scheduler, network, address string, opts ...Option) (*Listener, error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
	default:
		return nil, &net.OpError{Op: "listen", Net: network, Err: net.UnknownNetworkError(network)}
	}
	var lc listenConfig
	lc.SetMultipathTCP(false) // plain TCP is cheaper, and what the options are for
	lc.Control = exclusive
	for _, o := range opts {
		o(&lc)
	}
	if lc.shared {
		unlock := sysShareLock()
		defer unlock()
		if l, err := sharedListener(s, network, address); l != nil || err != nil {
			return l, err
		}
	}
	nl, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	l, err := adoptListener(s, nl, true)
	if err != nil {
		nl.Close()
		return nil, err
	}
	if lc.shared { // unless it is closed already, or about to be
		l.control(func(fd int) error { sysShare(fd, network, address, l.addr.String()); return nil })
	}
	return l, nil
}

// newListener has what every kind of listener has.
func newListener(s *jobs.Scheduler, fd int, addr net.Addr) *Listener {
	l := &Listener{socket: socket{s: s, num: int32(fd)}, addr: addr, local: &sharedEnd{address: addressOf(addr)}, fixed: true}
	if a, ok := addr.(*net.TCPAddr); ok {
		l.fixed = !a.IP.IsUnspecified()
	}
	return l
}

// AdoptListener takes over a listener of package net, for one that was handed
// down by another process. It duplicates the descriptor and closes the
// original. A Unix socket's path stays then, and stays when the Listener is
// closed unless SetUnlinkOnClose says otherwise. Any goroutine may call it.
func AdoptListener(s *jobs.Scheduler, nl net.Listener) (*Listener, error) {
	return adoptListener(s, nl, false)
}

func adoptListener(s *jobs.Scheduler, nl net.Listener, unlinks bool) (*Listener, error) {
	addr := nl.Addr()
	fd, err := adopt(nl, nl)
	if err != nil {
		return nil, err
	}
	l := newListener(s, fd, addr)
	l.plain = sysPlainTCP(fd)
	switch a := addr.(type) {
	case *net.TCPAddr:
		sysTune(fd)
	case *net.UnixAddr:
		if a.Name != "" && a.Name[0] != '@' {
			l.path = a.Name
			l.unlinks.Store(unlinks)
		}
	}
	if !s.Post(func() {
		if l.register() != nil {
			if l.life.close() {
				l.unlink()
			}
			l.teardown()
		}
	}) {
		sysClose(fd)
		l.unlink()
		return nil, l.opError("listen", net.ErrClosed)
	}
	return l, nil
}

// register is watch for a listener. One that nobody closed, but its scheduler or
// a kernel that refuses it, leaves no path behind either.
func (l *Listener) register() error {
	if l.rd.w != (jobs.Watch{}) {
		return nil
	}
	return l.watchUntil(&l.rd, func(key any, w waitctx.Wait) {
		if l.life.close() {
			l.unlink()
		}
		dropped(key, w)
	})
}

func (l *Listener) unlink() error {
	if !l.unlinks.Load() {
		return nil
	}
	if err := os.Remove(l.path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("unlink: %w", err)
	}
	return nil
}

func (l *Listener) opError(op string, err error) error {
	if bare(err) {
		return err
	}
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: err}
}

// Addr is where the listener listens.
func (l *Listener) Addr() net.Addr { return l.addr }

// Watch is the listener's Watch: with SetFunc it has a job started when there
// are connections to accept. Loop only, or before Run.
func (l *Listener) Watch() jobs.Watch {
	if l.life.isClosed() || l.register() != nil {
		return jobs.Watch{}
	}
	return l.rd.w
}

// tryAccept accepts a connection if there is one, else fails with EAGAIN.
// Connections aborted meanwhile are passed over.
func (l *Listener) tryAccept() (*Conn, error) {
	for {
		fd, remote, e := sysAccept(l.fd())
		switch e {
		case 0:
			return l.accepted(fd, remote)
		case syscall.EINTR, syscall.ECONNABORTED:
		case syscall.EAGAIN:
			return nil, ErrWouldBlock
		default:
			return nil, sysError("accept", e)
		}
	}
}

func (l *Listener) accepted(fd int, remote address) (*Conn, error) {
	if !l.fixed {
		if local := sysLocal(fd); local != l.local.address {
			l.local = &sharedEnd{address: local}
		}
	}
	if !sysInherits && remote.tcp.IsValid() {
		sysTune(fd)
	}
	return newConn(l.s, fd, acceptedAt(l.local, remote), l.plain)
}

// TryAccept accepts a connection, or returns ErrWouldBlock. Loop only.
func (l *Listener) TryAccept() (*Conn, error) {
	if l.life.isClosed() {
		return nil, l.opError("accept", l.closedError())
	}
	c, err := l.tryAccept()
	return c, l.opError("accept", err)
}

func (l *Listener) accept(j jobs.Job) (*Conn, error) {
	if err := l.breathe(j); err != nil {
		return nil, err
	}
	for {
		if err := l.check(&l.rd); err != nil {
			return nil, err
		}
		c, err := l.tryAccept()
		if err != error(ErrWouldBlock) {
			return c, err
		}
		l.register() // or wait does, which also says what went wrong
		if err := l.wait(j, &l.rd); err != nil {
			return nil, err
		}
	}
}

// AcceptIn accepts a connection, pausing j until there is one. When descriptors
// run out the error wraps syscall.EMFILE or ENFILE: sleep a while, and accept
// again.
func (l *Listener) AcceptIn(j jobs.Job) (*Conn, error) {
	c, err := l.accept(j)
	return c, l.opError("accept", err)
}

// Accept is Accept of net.Listener, for goroutines other than the loop's.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := (*Conn)(nil), errLost
	if e := l.run(func(j jobs.Job) { c, err = l.accept(j) }); e != nil {
		err = e
	}
	if err != nil {
		return nil, l.opError("accept", err)
	}
	return c, nil
}

// SetDeadline sets when accepting gives up.
func (l *Listener) SetDeadline(t time.Time) error {
	return l.opError("set", l.setDeadlines(t, &l.rd))
}

// SetUnlinkOnClose says whether a Unix socket's path is unlinked when the
// listener is closed, or its scheduler. As in package net it is if Listen made
// it, and is not after AdoptListener. Any goroutine may call it.
func (l *Listener) SetUnlinkOnClose(unlink bool) { l.unlinks.Store(unlink && l.path != "") }

// Close ends the listener; waiting calls and later ones return net.ErrClosed. The
// path of a Unix socket that Listen made is unlinked. The address is free once the
// poller has let go of the descriptor, at the end of the loop's turn. Connections that
// nobody has accepted are reset: TryAccept takes them before.
func (l *Listener) Close() error {
	if !l.closeLater() {
		return l.opError("close", net.ErrClosed)
	}
	return l.opError("close", l.unlink())
}
