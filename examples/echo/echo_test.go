package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"bide/poller"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// modes are the two ways of serving.
var modes = map[string][]string{"jobs": nil, "stackless": {"-stackless"}}

// start runs the server as main does, on a port of the system's choice. stop
// ends it as SIGTERM does and returns what it answers.
func start(t *testing.T, out io.Writer, args ...string) (s *server, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan *server, 1)
	args = append([]string{"-listen", "127.0.0.1:0"}, args...)
	go func() { ended <- run(ctx, args, out, func(s *server) { ready <- s }) }()
	select {
	case s = <-ready:
	case err := <-ended:
		t.Fatal("the server did not start: ", err)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			t.Error("the server did not end")
			return nil
		}
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("run() = %v, want nil", err)
		}
	})
	return s, stop
}

func dial(t *testing.T, s *server) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// roundTrip sends text and expects it back.
func roundTrip(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Fatalf("got %q back, want %q", got, text)
	}
}

// TestEcho has clients send different bytes in pieces of different sizes, all
// at a time.
func TestEcho(t *testing.T) {
	for name, args := range modes {
		for _, backend := range poller.Backends() {
			t.Run(name+"/"+backend, func(t *testing.T) {
				s, _ := start(t, io.Discard, append(args, "-poller", backend, "-loops", "2")...)
				var wg sync.WaitGroup
				for i := range 20 {
					c := dial(t, s)
					wg.Go(func() { converse(t, c, uint64(i)) })
				}
				wg.Wait()
			})
		}
	}
}

// converse sends a megabyte while it reads, ends its direction, and compares.
func converse(t *testing.T, c *net.TCPConn, seed uint64) {
	source := rand.NewChaCha8([32]byte{byte(seed)})
	sent := make([]byte, 1<<20)
	source.Read(sent)
	r := rand.New(source)
	go func() {
		for b := sent; len(b) > 0; {
			n := min(len(b), 1+r.IntN(100_000))
			if _, err := c.Write(b[:n]); err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
		}
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes back that differ from the %d sent", len(got), len(sent))
	}
}

// TestUnreadPeer: a client that sends without reading is made to wait, gets
// all of it back once it reads, and does not stop another one meanwhile.
func TestUnreadPeer(t *testing.T) {
	for name, args := range modes {
		t.Run(name, func(t *testing.T) {
			s, _ := start(t, io.Discard, append(args, "-loops", "1")...)
			stuck, other := dial(t, s), dial(t, s)
			block := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
			stuck.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			var sent int64
			for {
				n, err := stuck.Write(block)
				if sent += int64(n); err != nil {
					break // the deadline: neither side takes more
				}
			}
			roundTrip(t, other, "meanwhile")
			stuck.CloseWrite()
			got := pattern{text: string(block)}
			if n, err := io.Copy(&got, stuck); err != nil || n != sent || got.differs {
				t.Errorf("Copy() = %d, %v, differs %v, want %d, nil, false", n, err, got.differs, sent)
			}
		})
	}
}

// pattern is a writer that compares with a text repeated.
type pattern struct {
	text    string
	at      int
	differs bool
}

func (p *pattern) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), len(p.text)-p.at)
		p.differs = p.differs || string(rest[:n]) != p.text[p.at:p.at+n]
		p.at = (p.at + n) % len(p.text)
		rest = rest[n:]
	}
	return len(b), nil
}

// TestHalfClose: the answer still arrives after the client has ended its
// direction, and then the end.
func TestHalfClose(t *testing.T) {
	for name, args := range modes {
		t.Run(name, func(t *testing.T) {
			s, _ := start(t, io.Discard, args...)
			c := dial(t, s)
			if _, err := io.WriteString(c, "last words"); err != nil {
				t.Fatal(err)
			}
			c.CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "last words" || err != nil {
				t.Errorf("ReadAll() = %q, %v, want the last words, nil", got, err)
			}
		})
	}
}

// TestReset: one that resets ends alone.
func TestReset(t *testing.T) {
	for name, args := range modes {
		t.Run(name, func(t *testing.T) {
			s, _ := start(t, io.Discard, append(args, "-loops", "1")...)
			c, other := dial(t, s), dial(t, s)
			roundTrip(t, c, "before")
			c.SetLinger(0)
			c.Close()
			roundTrip(t, other, "still serving")
		})
	}
}

// TestEnd: a server that is told to end closes its connections.
func TestEnd(t *testing.T) {
	for name, args := range modes {
		t.Run(name, func(t *testing.T) {
			s, stop := start(t, io.Discard, args...)
			c := dial(t, s)
			roundTrip(t, c, "before")
			if err := stop(); err != nil {
				t.Errorf("run() = %v, want nil", err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read() = %d, %v, want 0, EOF", n, err)
			}
			if c, err := net.Dial("tcp", s.addr); err == nil {
				c.Close()
				t.Error("the server still listens")
			}
		})
	}
}

func TestBadFlags(t *testing.T) {
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	for _, c := range []struct{ args, want string }{
		{"-no-such-flag", "no-such-flag"},
		{"argument", "argument"},
		{"-loops 0", "-loops 0"},
		{"-loops x", "-loops"},
		{"-poller nothing", "there is " + strings.Join(poller.Backends(), ", ") + "; "}, // why not the others
		{"-listen nowhere", "-listen"},
		{"-listen 127.0.0.1:port", "-listen"},
		{"-loops 1 -listen " + used.Addr().String(), "-listen"},
		{"-loops 2 -listen " + used.Addr().String(), "-listen"},
	} {
		t.Run(c.args, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(c.args), io.Discard, func(*server) { t.Error("it listens") })
			if err == nil {
				t.Fatal("run() = nil, want an error")
			}
			if s := err.Error(); !strings.Contains(s, c.want) || strings.Contains(s, "\n") {
				t.Errorf("run() = %q, want one line that has %q", s, c.want)
			}
		})
	}
}
