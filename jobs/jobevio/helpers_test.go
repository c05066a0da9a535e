//go:build linux || darwin || freebsd

package jobevio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs/jobevio"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// errEnd is why a test ends its server.
var errEnd = errors.New("the test is over")

// harness is a server under test.
type harness struct {
	t      *testing.T
	addr   net.Addr
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error

	mu    sync.Mutex
	names []string // that Failed was told
	errs  []error
}

// start serves on a port of the loopback, or on addr.
func start(t *testing.T, s *jobevio.Server, addr ...string) *harness {
	t.Helper()
	quiesce(t)
	h := &harness{t: t, done: make(chan struct{})}
	s.Failed = func(name string, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.names = append(h.names, name)
		h.errs = append(h.errs, err)
	}
	listening := make(chan net.Addr, 1)
	s.Listening = func(addrs []net.Addr) { listening <- addrs[0] }
	var ctx context.Context
	ctx, h.cancel = context.WithCancelCause(context.Background())
	if len(addr) == 0 {
		addr = []string{"tcp://127.0.0.1:0"}
	}
	go func() {
		defer close(h.done)
		h.err = s.Serve(ctx, addr...)
	}()
	select {
	case h.addr = <-listening:
	case <-h.done:
		t.Fatalf("Serve() = %v before it listens", h.err)
	}
	t.Cleanup(h.stop)
	return h
}

// stop ends the server. The first one checks what Serve returns.
func (h *harness) stop() {
	h.cancel(errEnd)
	select {
	case <-h.done:
		if h.err != errEnd {
			h.t.Errorf("Serve() = %v, want the context's cause", h.err)
			h.err = errEnd
		}
	case <-time.After(patience):
		h.t.Fatal("Serve does not return")
	}
}

// failed returns what Failed was told.
func (h *harness) failed() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]error(nil), h.errs...)
}

// dial connects, and waits until the connection was accepted: evio may miss
// being stopped before it runs.
func (h *harness) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial(h.addr.Network(), h.addr.String())
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	h.t.Cleanup(func() { c.Close() })
	return c
}

// quiesce checks that the test leaves no goroutine and no descriptor.
func quiesce(t *testing.T) {
	t.Helper()
	// Go's own poller opens descriptors with the first connection.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	fdtest.Check(t)
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before; {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines at the start, %d at the end\n%s", before, runtime.NumGoroutine(),
					buf[:runtime.Stack(buf, true)])
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// expect reads as much as want is long, and compares.
func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q, nil", got[:n], err, want)
	}
}

// receive waits for a value.
func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// goid is the number of the calling goroutine.
func goid() int {
	var buf [64]byte
	fields := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	n, _ := strconv.Atoi(string(fields[1]))
	return n
}

// lines is a Data that calls fn with each line.
func lines(fn func(c *jobevio.Conn, line string) (paused bool)) func(*jobevio.Conn, []byte) int {
	return func(c *jobevio.Conn, in []byte) int {
		taken := 0
		for {
			i := bytes.IndexByte(in[taken:], '\n')
			if i < 0 {
				return taken
			}
			line := string(in[taken : taken+i])
			taken += i + 1
			if fn(c, line) {
				return taken
			}
		}
	}
}

// exchange sends out in pieces of the sizes that size says, and reads meanwhile
// what has to come back.
func exchange(t *testing.T, c net.Conn, out, want string, size func() int) {
	t.Helper()
	go func() {
		for b := []byte(out); len(b) > 0; {
			m, err := c.Write(b[:min(len(b), size())])
			if err != nil {
				t.Error(err)
				return
			}
			b = b[m:]
		}
	}()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("%v got other lines than it sent (%v)", c.LocalAddr(), err)
	}
}
