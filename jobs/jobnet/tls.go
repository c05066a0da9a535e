package jobnet

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"bide/jobs"
)

// TLSConn is a stock crypto/tls connection whose rest needs no stack: between
// calls it is a tls.Conn, and no buffer of this package's. Its methods are loop
// only. The Conn beneath is read, written and closed through the TLSConn alone.
//
// The buffers of a tls.Conn are taken away while they are empty. They are
// unexported fields, found by name and type when the program starts; where they
// are missing crypto/tls keeps them.
//
// Jobs wait only outside crypto/tls. So one that reads and one that writes do
// not hold each other up, whatever the peer does.
type TLSConn struct {
	tls    *tls.Conn
	t      transport
	lent   *buffer    // behind what crypto/tls reads into, unless that outgrew it
	wmu    jobs.Mutex // held by a call that writes, so that none is interleaved
	closed bool
}

// ServerTLS runs the server's handshake on c in job j, which pauses where it
// would block. Handshakes are heavy: see Scheduler.GoLow. The callbacks of
// config find the job by jobs.FromContext, and may pause it; those that are called
// later, as ClientSessionCache.Put is, must not wait. When it fails, c
// is still the caller's to close. What limits the time are c's deadlines, which go on
// to hold afterwards, and j's. What was read from c to see that TLS begins is given
// back before, by Unread. Renegotiation is not supported: whatever config says, it is
// refused.
func ServerTLS(j jobs.Job, c *Conn, config *tls.Config) (*TLSConn, error) {
	return handshake(j, c, config, tls.Server)
}

// ClientTLS is ServerTLS for the client's side.
func ClientTLS(j jobs.Job, c *Conn, config *tls.Config) (*TLSConn, error) {
	return handshake(j, c, config, tls.Client)
}

func handshake(j jobs.Job, c *Conn, config *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) (*TLSConn, error) {
	if j.Scheduler() != c.s {
		return nil, c.opError("handshake", foreign(j))
	}
	if config != nil && config.Renegotiation != tls.RenegotiateNever { // it would have to wait inside crypto/tls
		config = config.Clone()
		config.Renegotiation = tls.RenegotiateNever
	}
	t := &TLSConn{t: transport{c: c, job: j}}
	t.tls = side(&t.t, config)
	// A context that could be done would cost a goroutine for each handshake,
	// and the job's cancel ends its reads and writes anyway.
	err := t.tls.HandshakeContext(context.WithoutCancel(j.Context()))
	if err != nil {
		return nil, err
	}
	t.t.job = jobs.Job{}
	t.takeBack()
	return t, nil
}

// Conn is the connection beneath.
func (t *TLSConn) Conn() *Conn { return t.t.c }

// ConnectionState describes the session.
func (t *TLSConn) ConnectionState() tls.ConnectionState { return t.tls.ConnectionState() }

// TryRead reads what is there, or returns ErrWouldBlock: read until it does,
// and the Conn's ReadWatch will tell of what comes later. After the handshake,
// read once without being told: bytes that came with its last message have been
// read from the socket already. While the peer does not take the answers to
// what it sent (KeyUpdate, alerts), nothing more is read.
func (t *TLSConn) TryRead(b []byte) (int, error) {
	c := t.t.c
	if t.closed || c.life.isClosed() {
		return 0, c.opError("read", c.closedError())
	}
	n, err := 0, error(ErrWouldBlock)
	if c.drained && t.empty() && len(b) > 0 {
		c.drained = false // as Conn.recv does, without the way there
	} else {
		t.lend()
		n, err = t.tls.Read(b)
	}
	if err == error(ErrWouldBlock) && n > 0 {
		return n, nil // crypto/tls went on to an alert that has come in part
	}
	if n == 0 || err != nil { // at the peer's end too: writing may go on for long
		t.takeBack()
	}
	switch {
	case err == nil:
	case err != error(ErrWouldBlock):
		c.drained = false // the next call hears of it again, though nothing comes
	case t.t.full() && !t.t.muted:
		t.t.mute(true)
	}
	return n, err
}

// read is TryRead in a job that waits.
func (t *TLSConn) read(j jobs.Job, b []byte) (int, error) {
	c := t.t.c
	err := c.breathe(j)
	if err == nil && len(b) == 0 && !t.closed && !c.life.isClosed() {
		return 0, nil
	}
	for err == nil {
		if err = c.check(&c.rd); err != nil {
			break
		}
		n, terr := t.TryRead(b)
		if terr != error(ErrWouldBlock) {
			return n, terr
		}
		err = c.wait(j, &c.rd)
	}
	return 0, c.opError("read", err)
}

// drain pauses j until the queue is empty. Past the deadline it sends what it can
// without a pause. What is left in it when the wait fails is sent later, so the
// stream stays whole.
func (t *TLSConn) drain(j jobs.Job) error {
	c := t.t.c
	for {
		if c.life.isClosed() {
			return c.opError("write", c.closedError())
		}
		if t.t.flush() {
			return t.t.err
		}
		t.t.arm()
		if err := c.wait(j, c.out()); err != nil {
			return c.opError("write", err)
		}
	}
}

// write gives b to crypto/tls a few records' worth at a time.
func (t *TLSConn) write(j jobs.Job, b []byte) (n int, err error) {
	c := t.t.c
	if err := c.lock(j, &t.wmu); err != nil {
		return 0, c.opError("write", err)
	}
	defer t.wmu.Unlock()
	if err := t.drain(j); err != nil { // of what an earlier call left
		return 0, err
	}
	for {
		m, err := t.put(j, b[n:min(len(b), n+maxPayload)])
		if n += m; err != nil || n == len(b) {
			return n, err
		}
	}
}

// put gives b to crypto/tls. Its records are queued, to be sent by one system call.
func (t *TLSConn) put(j jobs.Job, b []byte) (int, error) {
	c := t.t.c
	err := c.breathe(j)
	if err == nil {
		err = c.checkWrite()
	}
	if err != nil {
		return 0, c.opError("write", err)
	}
	t.t.corked = true
	n, err := t.tls.Write(b)
	t.t.corked = false
	if derr := t.drain(j); err == nil { // else of the records before it
		err = derr
	}
	return n, err
}

// WriteIn writes all of b and returns when the socket has taken it, pausing j
// while it is full. Calls of several jobs are not interleaved. After an error a part of
// b may have been sent, and what was encrypted already still is, so that the stream
// stays whole.
func (t *TLSConn) WriteIn(j jobs.Job, b []byte) error {
	_, err := t.write(j, b)
	return err
}

// CloseWriteIn sends close_notify and then TCP's end of the stream; reading
// goes on. Past the deadline it sends them still, as crypto/tls does, but does not
// wait: if the socket is full, close_notify alone follows when it is not.
func (t *TLSConn) CloseWriteIn(j jobs.Job) error {
	c := t.t.c
	if err := c.lock(j, &t.wmu); err != nil {
		return c.opError("close", err)
	}
	defer t.wmu.Unlock()
	if err := t.tls.CloseWrite(); err != nil { // it is queued behind what is left
		return err
	}
	if err := t.drain(j); err != nil {
		return err
	}
	return c.CloseWrite()
}

// Close sends close_notify and closes the connection. It does not wait: what
// the socket does not take now is sent from the loop for at most five seconds.
func (t *TLSConn) Close() error {
	c := t.t.c
	if t.closed {
		return c.opError("close", net.ErrClosed)
	}
	t.closed = true
	if c.life.isClosed() {
		return c.opError("close", net.ErrClosed)
	}
	err := t.tls.Close()
	t.t.closeSoon()
	return err
}

// Abort ends the connection by a reset and without close_notify, by which the peer sees
// that what it has is not all (RFC 8446, section 6.1). After Close it drops what that
// still sends.
func (t *TLSConn) Abort() error {
	c := t.t.c
	if t.t.linger && !c.stopped {
		sysLinger(c.fd(), 0)
		t.t.dropOut()
		return nil
	}
	t.closed = true
	t.t.dropOut()
	return c.Abort()
}

// In returns the view of t whose calls pause j. It has CloseWrite and ConnectionState
// besides, and is a BuffersWriter that puts small buffers together into records. Other
// than Conn.In it needs a job: with the zero Job reads and writes fail.
func (t *TLSConn) In(j jobs.Job) net.Conn { return &tlsView{t, j} }

// tlsView is a TLSConn whose calls pause a job.
type tlsView struct {
	t *TLSConn
	j jobs.Job
}

func (v *tlsView) Read(b []byte) (int, error)  { return v.t.read(v.j, b) }
func (v *tlsView) Write(b []byte) (int, error) { return v.t.write(v.j, b) }
func (v *tlsView) CloseWrite() error           { return v.t.CloseWriteIn(v.j) }
func (v *tlsView) Close() error                { return v.t.Close() }
func (v *tlsView) LocalAddr() net.Addr         { return v.t.t.c.LocalAddr() }
func (v *tlsView) RemoteAddr() net.Addr        { return v.t.t.c.RemoteAddr() }

func (v *tlsView) ConnectionState() tls.ConnectionState       { return v.t.ConnectionState() }
func (v *tlsView) WriteBuffers(b *net.Buffers) (int64, error) { return v.t.writeBuffers(v.j, b) }

func (v *tlsView) SetDeadline(t time.Time) error      { return v.conn().SetDeadline(t) }
func (v *tlsView) SetReadDeadline(t time.Time) error  { return v.conn().SetReadDeadline(t) }
func (v *tlsView) SetWriteDeadline(t time.Time) error { return v.conn().SetWriteDeadline(t) }

func (v *tlsView) conn() net.Conn { return v.t.t.c.In(v.j) }
