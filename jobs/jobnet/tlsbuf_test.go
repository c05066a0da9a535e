//go:build unix

package jobnet_test

import (
	"bytes"
	"crypto/tls"
	"io"
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

// Half a record stays where it is until the rest of it comes.
func TestTLSKeepsHalfARecord(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs, out := s.secureInPieces(t, func(*tls.Config) {})
		echoRested(s, ours)
		for range 3 {
			out.keeps = true
			if _, err := theirs.Write(bytes.Repeat([]byte("h"), 1000)); err != nil {
				t.Fatal(err)
			}
			out.send(t, len(out.kept)/2)
			for deadline := time.Now().Add(patience); s.held(t, ours) == 0; s.idle(t) {
				if time.Now().After(deadline) {
					t.Fatal("the half record never came")
				}
			}
			s.idle(t)
			out.keeps = false
			out.send(t, len(out.kept))
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

// Data that came with the first bytes of an alert is read: crypto/tls looks at
// the alert of TLS 1.2 together with it, and finds that the rest has not come.
func TestTLSReadsDataBeforeHalfAnAlert(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs, out := s.secureInPieces(t, version(tls.VersionTLS12))
		out.keeps = true
		theirs.Write([]byte("data"))
		first := len(out.kept) + 3
		theirs.CloseWrite()
		out.SetDeadline(time.Now().Add(patience)) // crypto/tls has changed it
		out.send(t, first)
		got := make([]byte, 4)
		if err := s.do(t, func(j jobs.Job) error {
			_, err := io.ReadFull(ours.In(j), got)
			return err
		}); err != nil || string(got) != "data" {
			t.Fatalf("read %q, %v, want the data", got, err)
		}
		out.send(t, len(out.kept))
		if err := s.do(t, func(j jobs.Job) error {
			_, err := ours.In(j).Read(got)
			return err
		}); err != io.EOF {
			t.Errorf("Read() = %v at the end, want io.EOF", err)
		}
	})
}
