package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"bide/poller"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// running is a proxy under test.
type running struct {
	*proxy
	cancel context.CancelFunc
	ended  chan error
}

// start runs the proxy as main does, on a port of the system's choice.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan *proxy, 1)
	args = append([]string{"-listen", "127.0.0.1:0", "-drain-timeout", "0"}, args...)
	go func() { r.ended <- run(ctx, args, io.Discard, func(p *proxy) { ready <- p }) }()
	select {
	case r.proxy = <-ready:
	case err := <-r.ended:
		t.Fatal("the proxy did not start: ", err)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case <-r.ended:
		case <-time.After(patience):
			t.Error("the proxy did not end")
		}
	})
	return r
}

// stop ends the proxy as SIGTERM does and returns what it answers.
func (r *running) stop(t *testing.T) error {
	t.Helper()
	r.cancel()
	return r.wait(t)
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- nil // for the cleanup
		return err
	case <-time.After(patience):
		t.Fatal("the proxy did not end")
		return nil
	}
}

// serve is a backend that runs handle on each connection.
func serve(t *testing.T, handle func(*net.TCPConn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				handle(c.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

// echo sends back what it gets until the end of it.
func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// plain opens a TCP connection to the proxy.
func plain(t *testing.T, r *running) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// secure opens a TLS connection to the proxy.
func secure(t *testing.T, r *running, version uint16) *tls.Conn {
	t.Helper()
	c := tls.Client(plain(t, r), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
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

// kilobyte sends 1 KB and expects it back.
func kilobyte(c io.ReadWriter) error {
	text := strings.Repeat("x", 1024)
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("got %q back", got)
	}
	return nil
}

// eventually looks until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}

// tempDir is T.TempDir, which fails under Wine because it cannot clean up.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tlsproxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// eachPoller runs the test on every backend there is.
func eachPoller(t *testing.T, fn func(t *testing.T, poller string)) {
	for _, name := range poller.Backends() {
		t.Run(name, func(t *testing.T) { fn(t, name) })
	}
}

// eachVersion runs the test with TLS 1.2 and 1.3.
func eachVersion(t *testing.T, fn func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(strings.ReplaceAll(tls.VersionName(v), " ", ""), func(t *testing.T) { fn(t, v) })
	}
}

type sum = [sha256.Size]byte

// send writes size bytes that depend on seed, and returns their sum.
func send(w io.Writer, seed byte, size int64) (sum, error) {
	h := sha256.New()
	_, err := io.CopyN(io.MultiWriter(w, h), rand.NewChaCha8([32]byte{seed}), size)
	return sum(h.Sum(nil)), err
}

// receive reads until the end.
func receive(r io.Reader) (sum, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return sum(h.Sum(nil)), n, err
}
