package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"bide/internal/fdtest"
)

// TestVanish has clients go away in the middle of their handshake.
func TestVanish(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := start(t, "-backend", serve(t, echo), "-poller", poller)
		hello := clientHello(t)
		for i := range 20 {
			c := plain(t, r)
			if runtime.GOOS == "windows" { // which does not let accept have a connection that was reset
				eventually(t, "accepted", func() bool { return r.status().Accepted == uint64(i+1) })
			}
			c.Write(hello[:len(hello)*i/20])
			if i%2 == 0 {
				c.SetLinger(0) // a reset
			}
			c.Close()
		}
		eventually(t, "20 handshake errors", func() bool { return r.status().HandshakeErrors == 20 })
		eventually(t, "all closed", func() bool { return r.open.Load() == 0 })
		roundTrip(t, secure(t, r, tls.VersionTLS13), "still serving")
	})
}

// clientHello records the first message of a TLS client.
func clientHello(t *testing.T) []byte {
	t.Helper()
	here, there := net.Pipe()
	go func() {
		tls.Client(there, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}()
	defer here.Close()
	b := make([]byte, 16<<10)
	n, err := here.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// TestGarbage sends something else than TLS.
func TestGarbage(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := start(t, "-backend", serve(t, echo), "-poller", poller)
		c := plain(t, r)
		io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
		if _, err := io.Copy(io.Discard, c); err != nil && !isReset(err) {
			t.Fatal("the connection is not closed: ", err)
		}
		eventually(t, "a handshake error", func() bool { return r.status().HandshakeErrors == 1 })
	})
}

// TestHandshakeTimeout: one that says nothing is closed.
func TestHandshakeTimeout(t *testing.T) {
	r := start(t, "-backend", serve(t, echo), "-handshake-timeout", "50ms")
	c := plain(t, r)
	if _, err := io.Copy(io.Discard, c); err != nil && !isReset(err) {
		t.Fatal("the connection is not closed: ", err)
	}
	if n := r.status().HandshakeErrors; n != 1 {
		t.Fatalf("%d handshake errors, want 1", n)
	}
	if f := r.status().LastHandshakeError; f == nil || !strings.Contains(f.Text, "50ms") {
		t.Errorf("the last handshake error is %v, want one that names the timeout", f)
	}
}

// TestIdleTimeout: one that carries nothing is closed, one that does is not.
func TestIdleTimeout(t *testing.T) {
	r := start(t, "-backend", serve(t, echo), "-idle-timeout", "300ms")
	idle, busy := secure(t, r, tls.VersionTLS13), secure(t, r, tls.VersionTLS13)
	closed := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, idle)
		closed <- err
	}()
	for done := false; !done; {
		roundTrip(t, busy, "busy")
		select {
		case err := <-closed:
			if !isCut(t, err) {
				t.Errorf("Copy() = %v from the idle one, want a reset", err)
			}
			done = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	roundTrip(t, busy, "busy still")
}

// TestNoSweepAtRest: with no connection there is nothing to look for, however short
// -idle-timeout is.
func TestNoSweepAtRest(t *testing.T) {
	r := start(t, "-backend", serve(t, echo), "-idle-timeout", "1ns", "-loops", "1")
	if _, err := io.Copy(io.Discard, plain(t, r)); !isCut(t, err) {
		t.Errorf("Copy() = %v from an idle connection, want a reset", err)
	}
	eventually(t, "no sweep is to come", func() bool {
		sweeping := make(chan bool)
		l := r.loops[0]
		l.sched.Post(func() { sweeping <- l.sweeping })
		return !<-sweeping
	})
}

// TestIdleTimeoutOfASlowReader: each buffer that the other side takes counts, not
// only the first of a run that pauses in between.
func TestIdleTimeoutOfASlowReader(t *testing.T) {
	step := make(chan int64)
	r := start(t, "-loops", "1", "-idle-timeout", "1h", "-backend", serve(t, func(c *net.TCPConn) {
		for n := range step {
			io.CopyN(io.Discard, c, n)
		}
	}))
	defer close(step)
	c := secure(t, r, tls.VersionTLS13)
	go io.Copy(c, zeros{})
	l := r.loops[0]
	active := func() (at int64) {
		looked := make(chan struct{})
		l.sched.Post(func() { at = l.conns.front.active; close(looked) })
		<-looked
		return at
	}
	carried := func() uint64 { return r.status().BytesUp }
	for stuck := 0; stuck < 300; {
		at, before := active(), carried()
		if carried() == before {
			stuck++
		}
		for carried() == before {
			step <- 16 << 10
		}
		if active() == at {
			t.Fatal("a connection that carried something seems to be idle")
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestBackendDown: the client is let go, and told apart from others by a counter.
func TestBackendDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := start(t, "-backend", l.Addr().String())
	c := secure(t, r, tls.VersionTLS12)
	if _, err := io.Copy(io.Discard, c); !isCut(t, err) {
		t.Errorf("Copy() = %v with no backend there, want a reset", err)
	}
	eventually(t, "a backend error", func() bool { return r.status().BackendErrors == 1 })
	s := r.status()
	if f := s.LastBackendError; f == nil || !strings.Contains(f.Text, l.Addr().String()) || time.Since(f.Time) > time.Hour {
		t.Errorf("the last backend error is %v, want one that names %v", f, l.Addr())
	}
	if text := s.String(); s.LastHandshakeError != nil || !strings.Contains(text, "\nlast_handshake_error none\n") ||
		!strings.Contains(text, "\nlast_backend_error   "+s.LastBackendError.String()+"\n") {
		t.Errorf("the status is %q, want the last backend error and no other", text)
	}
	eventually(t, "closed", func() bool { return r.open.Load() == 0 })
}

// TestClosedIsNotListed: a job may still note that a connection carried something
// when that has been closed, as by a reset. With it on the list -idle-timeout would
// close it for ever.
func TestClosedIsNotListed(t *testing.T) {
	r := start(t, "-loops", "1", "-idle-timeout", "1h", "-backend", serve(t, echo))
	roundTrip(t, secure(t, r, tls.VersionTLS13), "hello")
	l := r.loops[0]
	left := make(chan *conn, 1)
	l.sched.Post(func() {
		c := l.conns.front
		c.close()
		c.up.carried(1)
		left <- l.conns.front
	})
	if <-left != nil {
		t.Error("a closed connection is listed")
	}
}

// isReset tells a connection reset, which is closed too, from a deadline.
func isReset(err error) bool {
	var ne net.Error
	return !errors.As(err, &ne) || !ne.Timeout()
}

// needResets skips a test that the proxy cannot pass where it does not hear of a reset.
func needResets(t *testing.T) {
	t.Helper()
	if fdtest.HidesReset(t) {
		t.Skip("the system tells of a reset as of the end of the stream")
	}
}

// isCut reports whether err says that a stream was cut off, and did not end.
func isCut(t *testing.T, err error) bool {
	const wsaeconnreset = 10054 // of Windows
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno == syscall.ECONNRESET || errno == wsaeconnreset
	}
	return err == nil && fdtest.HidesReset(t)
}
