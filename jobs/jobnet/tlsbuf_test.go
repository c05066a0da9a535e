//go:build unix

package jobnet_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// held asks the loop for what crypto/tls holds of c.
func (s loop) held(t *testing.T, c *jobnet.TLSConn) (n int) {
	t.Helper()
	s.do(t, func(jobs.Job) error { n = c.Held(); return nil })
	return n
}

// A connection at rest holds no buffer, whatever it has carried.
func TestTLSAtRestHoldsNoBuffer(t *testing.T) {
	if !jobnet.BuffersFound() {
		t.Fatal("crypto/tls has other buffers than the ones known: see tlsbuf.go")
	}
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		ours, theirs, _ := s.secure(t, change)
		if n := s.held(t, ours); n != 0 {
			t.Errorf("%d bytes are held after the handshake, want 0", n)
		}
		echoRested(s, ours)
		for _, size := range []int{1, 1 << 10, 16 << 10, 1 << 20} {
			want := bytes.Repeat([]byte("b"), size)
			go theirs.Write(want)
			wantRead(t, theirs, size, 'b')
			s.idle(t)
			if n := s.held(t, ours); n != 0 {
				t.Errorf("%d bytes are held after %d, want 0", n, size)
			}
		}
		theirs.CloseWrite()
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read() = %v at the end, want io.EOF", err)
		}
		s.idle(t)
		if n := s.held(t, ours); n != 0 {
			t.Errorf("%d bytes are held after the peer's end, want 0", n)
		}
	})
}

// splitter sends what is written to it in two pieces, the second when it is
// told to.
type splitter struct {
	*net.TCPConn
	rest []byte
	hold bool
}

func (c *splitter) Write(b []byte) (int, error) {
	if !c.hold {
		return c.TCPConn.Write(b)
	}
	half := len(b) / 2
	c.rest = append(c.rest, b[half:]...)
	if _, err := c.TCPConn.Write(b[:half]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Half a record stays where it is until the rest of it comes.
func TestTLSKeepsHalfARecord(t *testing.T) {
	serverConfig, clientConfig := configs()
	eachBackend(t, func(t *testing.T, s loop) {
		c, raw := s.half(t)
		var ours *jobnet.TLSConn
		accepted := s.begin(func(j jobs.Job) (err error) {
			ours, err = jobnet.ServerTLS(j, c, serverConfig)
			return err
		})
		split := &splitter{TCPConn: raw}
		theirs := tls.Client(split, clientConfig)
		if err := theirs.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := await(t, accepted); err != nil {
			t.Fatal(err)
		}
		echoRested(s, ours)
		for range 3 {
			split.hold = true
			if _, err := theirs.Write(bytes.Repeat([]byte("h"), 1000)); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(patience); s.held(t, ours) == 0; s.idle(t) {
				if time.Now().After(deadline) {
					t.Fatal("the half record never came")
				}
			}
			s.idle(t)
			split.hold = false
			raw.Write(split.rest)
			split.rest = nil
			wantRead(t, theirs, 1000, 'h')
			s.idle(t)
			if n := s.held(t, ours); n != 0 {
				t.Errorf("%d bytes are held at rest, want 0", n)
			}
		}
		theirs.CloseWrite()
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read() = %v at the end, want io.EOF", err)
		}
	})
}

// gatherer keeps what is written to it, to be sent in pieces.
type gatherer struct {
	*net.TCPConn
	kept []byte
	hold bool
}

func (c *gatherer) Write(b []byte) (int, error) {
	if !c.hold {
		return c.TCPConn.Write(b)
	}
	c.kept = append(c.kept, b...)
	return len(b), nil
}

// Data that came with the first bytes of an alert is read: crypto/tls looks at
// the alert of TLS 1.2 together with it, and finds that the rest has not come.
func TestTLSReadsDataBeforeHalfAnAlert(t *testing.T) {
	serverConfig, clientConfig := configs()
	clientConfig = clientConfig.Clone()
	version(tls.VersionTLS12)(clientConfig)
	eachBackend(t, func(t *testing.T, s loop) {
		c, raw := s.half(t)
		var ours *jobnet.TLSConn
		accepted := s.begin(func(j jobs.Job) (err error) {
			ours, err = jobnet.ServerTLS(j, c, serverConfig)
			return err
		})
		pieces := &gatherer{TCPConn: raw}
		theirs := tls.Client(pieces, clientConfig)
		if err := theirs.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := await(t, accepted); err != nil {
			t.Fatal(err)
		}
		pieces.hold = true
		theirs.Write([]byte("data"))
		first := len(pieces.kept) + 3
		theirs.CloseWrite()
		raw.SetDeadline(time.Now().Add(patience)) // crypto/tls has changed it
		if _, err := raw.Write(pieces.kept[:first]); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if err := s.do(t, func(j jobs.Job) error {
			_, err := io.ReadFull(ours.In(j), got)
			return err
		}); err != nil || string(got) != "data" {
			t.Fatalf("read %q, %v, want the data", got, err)
		}
		raw.Write(pieces.kept[first:])
		if err := s.do(t, func(j jobs.Job) error {
			_, err := ours.In(j).Read(got)
			return err
		}); err != io.EOF {
			t.Errorf("Read() = %v at the end, want io.EOF", err)
		}
	})
}
