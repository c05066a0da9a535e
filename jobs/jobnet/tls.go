package jobnet

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"bide/jobs"
)

// maxRecord is how much is given to crypto/tls at a time, so that what it
// queues is a record and the alerts around it.
const maxRecord = 16 << 10

// TLSConn is a stock crypto/tls connection that holds no stack at rest.
type TLSConn struct {
	tls *tls.Conn
	t   *transport
}

// transport is what crypto/tls reads and writes. During the handshake it pauses
// the job. Afterwards nothing may pause inside crypto/tls, whose locks another
// job of the loop can want: reads answer would-block, and writes queue what the
// socket refuses.
type transport struct {
	*Conn
	j         jobs.Job
	handshake bool
	queue     []byte
	err       error // of a write, sticky as crypto/tls has it
}

func (t *transport) Read(b []byte) (int, error) {
	if t.handshake {
		return t.In(t.j).Read(b)
	}
	return t.TryRead(b)
}

func (t *transport) Write(b []byte) (int, error) {
	if t.handshake {
		return t.In(t.j).Write(b)
	}
	if t.err != nil {
		return 0, t.err
	}
	n := 0
	if len(t.queue) == 0 {
		var err error
		if n, err = t.TryWrite(b); err != nil && err != error(ErrWouldBlock) {
			t.err = err
			return n, err
		}
	}
	t.queue = append(t.queue, b[n:]...)
	return len(b), nil
}

func (t *transport) SetDeadline(time.Time) error      { return nil }
func (t *transport) SetReadDeadline(time.Time) error  { return nil }
func (t *transport) SetWriteDeadline(time.Time) error { return nil }

// quietContext carries the job to crypto/tls's callbacks. It is never done: a
// context that can be would cost a goroutine for each handshake, and the job's
// cancel reaches its reads and writes anyway.
type quietContext struct{ context.Context }

func (quietContext) Done() <-chan struct{} { return nil }

// ServerTLS runs the server's handshake on c in job j. The callbacks of config
// find the job by jobs.FromContext.
func ServerTLS(j jobs.Job, c *Conn, config *tls.Config) (*TLSConn, error) {
	return handshake(j, c, config, tls.Server)
}

// ClientTLS runs the client's handshake on c in job j.
func ClientTLS(j jobs.Job, c *Conn, config *tls.Config) (*TLSConn, error) {
	return handshake(j, c, config, tls.Client)
}

func handshake(j jobs.Job, c *Conn, config *tls.Config, side func(net.Conn, *tls.Config) *tls.Conn) (*TLSConn, error) {
	t := &transport{Conn: c, j: j, handshake: true}
	tc := side(t, config)
	if err := tc.HandshakeContext(quietContext{j.Context()}); err != nil {
		return nil, err
	}
	t.handshake, t.j = false, jobs.Job{}
	return &TLSConn{tc, t}, nil
}

// Conn is the connection underneath.
func (t *TLSConn) Conn() *Conn { return t.t.Conn }

// ConnectionState describes the session.
func (t *TLSConn) ConnectionState() tls.ConnectionState { return t.tls.ConnectionState() }

// TryRead reads what is there, or returns ErrWouldBlock. While the answers of
// earlier reads (KeyUpdate, alerts) cannot be sent, nothing more is read.
func (t *TLSConn) TryRead(b []byte) (int, error) {
	if len(t.t.queue) > maxRecord {
		return 0, ErrWouldBlock
	}
	n, err := t.tls.Read(b)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		err = ErrWouldBlock
	}
	return n, err
}

// flush sends the queue, pausing j outside crypto/tls.
func (t *TLSConn) flush(j jobs.Job) error {
	for len(t.t.queue) > 0 && t.t.err == nil {
		n, err := t.t.TryWrite(t.t.queue)
		t.t.queue = t.t.queue[n:]
		if err == error(ErrWouldBlock) {
			if err := t.t.waitWritable(j); err != nil {
				return err // of the wait: the queue stands
			}
			continue
		}
		t.t.err = err
	}
	if len(t.t.queue) == 0 {
		t.t.queue = nil // a connection at rest holds no buffer
	}
	return t.t.err
}

// WriteIn writes all of b, pausing j while the socket is full. One job at a
// time may write.
func (t *TLSConn) WriteIn(j jobs.Job, b []byte) error {
	for {
		if err := t.flush(j); err != nil || len(b) == 0 {
			return err
		}
		n := min(len(b), maxRecord)
		if _, err := t.tls.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
}

// CloseWriteIn sends close_notify and the end of the stream.
func (t *TLSConn) CloseWriteIn(j jobs.Job) error {
	if err := t.flush(j); err != nil {
		return err
	}
	if err := t.tls.CloseWrite(); err != nil {
		return err
	}
	if err := t.flush(j); err != nil {
		return err
	}
	return t.t.Conn.CloseWrite()
}

// Close sends close_notify if the socket takes it, and closes the connection.
func (t *TLSConn) Close() error {
	t.tls.CloseWrite()
	return t.t.Conn.Close()
}
