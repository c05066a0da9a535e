package jobnet_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// What was given back is read first, in each of the ways there are to read.
func TestUnread(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		want := func(how, want string, n int, err error, b []byte) {
			t.Helper()
			if string(b[:n]) != want || err != nil {
				t.Errorf("%s = %q, %v, want %q, nil", how, b[:n], err, want)
			}
		}
		buf := make([]byte, 16)
		if err := s.do(t, func(j jobs.Job) error {
			conn := ours.In(j)
			theirs.Write([]byte("socket"))
			n, err := conn.Read(buf)
			want("Read()", "socket", n, err, buf)

			ours.Unread(buf[:n]) // which leaves the socket drained
			copy(buf, "------")
			n, err = conn.Read(buf[:3])
			want("Read() of 3", "soc", n, err, buf)
			ours.Unread([]byte("uns"))
			ours.Unread(nil)
			n, err = ours.TryRead(buf)
			want("TryRead()", "unsket", n, err, buf)
			if n, err := ours.TryRead(buf); n != 0 || err != error(jobnet.ErrWouldBlock) {
				t.Errorf("TryRead() = %d, %v of nothing more, want 0, ErrWouldBlock", n, err)
			}

			ours.Unread([]byte("late"))
			conn.SetReadDeadline(time.Now().Add(-time.Second))
			if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read() = %v past the deadline, want os.ErrDeadlineExceeded", err)
			}
			return conn.SetReadDeadline(time.Time{})
		}); err != nil {
			t.Fatal(err)
		}
		n, err := ours.Read(buf)
		want("Read() of a goroutine", "late", n, err, buf)

		reading := s.begin(func(j jobs.Job) error {
			ours.Unread([]byte("first"))
			_, err := io.ReadFull(ours.In(j), buf[:len("first, then the socket")-6])
			return err
		})
		s.Stats() // it waits
		theirs.Write([]byte(", then the socket"))
		if err := await(t, reading); err != nil || string(buf) != "first, then the " {
			t.Errorf("ReadFull() = %q, %v", buf, err)
		}
	})
}

// Nothing is left of what was given back, whoever closes the connection.
func TestUnreadIsDropped(t *testing.T) {
	s := newLoop(t, "")
	have := func(when string, want int) {
		t.Helper()
		if n := jobnet.GivenBack(); n != want {
			t.Errorf("%d connections have bytes %s, want %d", n, when, want)
		}
	}
	closed, _ := s.half(t)
	kept, _ := s.half(t)
	s.do(t, func(jobs.Job) error {
		closed.Unread([]byte("x"))
		kept.Unread([]byte("x"))
		return nil
	})
	have("that were given back", 2)
	closed.Close()
	s.do(t, func(jobs.Job) error { closed.Unread([]byte("x")); return nil })
	s.Stats() // a turn later its descriptor is closed
	have("after one was closed", 1)
	s.Close()
	have("after the scheduler's end", 0)
}

// hello reads a ClientHello, or the first n bytes of it.
func hello(c net.Conn, n int) ([]byte, error) {
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	if n == 0 {
		n = 5 + int(b[3])<<8 + int(b[4])
	}
	b = append(b, make([]byte, n-5)...)
	_, err := io.ReadFull(c, b[5:])
	return b, err
}

// inTwo sends what is written first in two parts.
type inTwo struct {
	net.Conn
	n    int
	goOn chan struct{} // sends the second
	done bool
}

func (c *inTwo) Write(b []byte) (int, error) {
	if c.done {
		return c.Conn.Write(b)
	}
	c.done = true
	if _, err := c.Conn.Write(b[:c.n]); err != nil {
		return 0, err
	}
	<-c.goOn
	_, err := c.Conn.Write(b[c.n:])
	return len(b), err
}

// TLS begins with what was read of the ClientHello to look at it.
func TestTLSAfterUnread(t *testing.T) {
	const half = 100
	for name, sniffs := range map[string]int{"half": half, "whole": 0} {
		t.Run(name, func(t *testing.T) {
			eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
				serverConfig, clientConfig := configs()
				clientConfig = clientConfig.Clone()
				change(clientConfig)
				c, raw := s.half(t)
				sniffed := make(chan error, 1)
				var ours *jobnet.TLSConn
				accepted := s.begin(func(j jobs.Job) error {
					b, err := hello(c.In(j), sniffs)
					c.Unread(b)
					sniffed <- err
					if err == nil {
						ours, err = jobnet.ServerTLS(j, c, serverConfig)
					}
					return err
				})
				slow := &inTwo{Conn: raw, n: half, goOn: make(chan struct{})}
				theirs := tls.Client(slow, clientConfig)
				shaken := make(chan error, 1)
				go func() { shaken <- theirs.Handshake() }()
				if sniffs == half {
					if err := await(t, sniffed); err != nil {
						t.Fatal(err)
					}
					s.Stats() // the handshake waits for the other half
				}
				close(slow.goOn)
				if err := errors.Join(await(t, shaken), await(t, accepted)); err != nil {
					t.Fatal("the handshake: ", err)
				}
				echoRested(s, ours)
				theirs.Write([]byte("echo"))
				theirs.CloseWrite()
				if got, err := io.ReadAll(theirs); string(got) != "echo" || err != nil {
					t.Errorf("got %q, %v back, want echo", got, err)
				}
				if n := jobnet.GivenBack(); n != 0 {
					t.Errorf("%d connections have bytes that were given back, want 0", n)
				}
			})
		})
	}
}

// What is left when the handshake is over is read by the connection. For that the
// server looks at what its client sends last in the middle of the handshake, which
// comes with the first of its data.
func TestTLSLeavesWhatWasGivenBack(t *testing.T) {
	for name, echo := range map[string]func(loop, *jobnet.TLSConn){"job": echoIn, "rested": echoRested} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, s loop) {
				serverConfig, clientConfig := configs()
				serverConfig, clientConfig = serverConfig.Clone(), clientConfig.Clone()
				c, raw := s.half(t)
				sent, left := make(chan int, 1), 0
				var ours *jobnet.TLSConn
				accepted := s.begin(func(j jobs.Job) (err error) {
					serverConfig.VerifyConnection = func(tls.ConnectionState) error {
						n, _, err := jobs.Recv(j, sent)
						if err != nil {
							return err
						}
						b := make([]byte, n)
						_, err = io.ReadFull(c.In(j), b)
						c.Unread(b)
						return err
					}
					ours, err = jobnet.ServerTLS(j, c, serverConfig)
					left = jobnet.GivenBack()
					return err
				})
				out := &keeper{TCPConn: raw}
				clientConfig.VerifyConnection = func(tls.ConnectionState) error { out.keeps = true; return nil }
				theirs := tls.Client(out, clientConfig)
				want := bytes.Repeat([]byte("early"), 10_000)
				if _, err := theirs.Write(want); err != nil {
					t.Fatal(err)
				}
				sent <- len(out.kept)
				out.send(t, len(out.kept))
				out.keeps = false
				if err := await(t, accepted); err != nil || left != 1 {
					t.Fatalf("ServerTLS() = %v, and %d connections have bytes that were given back, want nil, 1", err, left)
				}
				echo(s, ours)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(theirs, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes back, %v, want what was sent", len(got), err)
				}
				theirs.CloseWrite()
				if got, err := io.ReadAll(theirs); len(got) != 0 || err != nil {
					t.Errorf("got %q, %v at the end", got, err)
				}
				s.idle(t)
			})
		})
	}
}
