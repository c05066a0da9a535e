//go:build linux || darwin || freebsd

package jobevio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/jobs/jobevio"

	"golang.org/x/sys/unix"
)

// TestAnswerOutlivesHalfClose: a peer asks, says that it has no more to ask, and
// reads on. The answer is written from another connection's callback, at once or in
// two parts, of which evio has taken over the first.
func TestAnswerOutlivesHalfClose(t *testing.T) {
	part := bytes.Repeat([]byte("0123456789abcdef"), 512<<10)
	for _, parts := range []int{1, 2} {
		wakers := make(chan jobs.Waker, 1)
		h := start(t, &jobevio.Server{Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
			if string(in) != "get\n" {
				return len(in), nil
			}
			for range parts {
				wakers <- j.Waker()
				if err := j.Park(); err != nil {
					return 0, err
				}
				c.Write(part)
			}
			return len(in), nil
		}})
		send(t, h.dial(), "first") // so that its callbacks are those of a Wake
		c := h.dial()
		send(t, c, "get\n")
		for range parts {
			receive(t, wakers).Wake()
		}
		expect(t, c, "0")
		c.(*net.TCPConn).CloseWrite()
		rest, err := io.ReadAll(c)
		if n := 1 + len(rest); n != parts*len(part) || err != nil {
			t.Errorf("%d bytes of %d came, %v", n, parts*len(part), err)
		}
		h.stop()
	}
}

// TestPeerLeavesInFlush: that is no failure, whichever error Flush returns.
func TestPeerLeavesInFlush(t *testing.T) {
	begun, closed := make(chan struct{}, 1), make(chan struct{}, 1)
	h := start(t, &jobevio.Server{
		Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
			begun <- struct{}{}
			c.Write(make([]byte, 32<<20))
			return len(in), c.Flush(j)
		},
		Closed: func(*jobevio.Conn, error) { closed <- struct{}{} },
	})
	for range 50 {
		c := h.dial().(*net.TCPConn)
		send(t, c, "get\n")
		receive(t, begun)
		io.ReadFull(c, make([]byte, 1<<20))
		c.SetLinger(0)
		c.Close()
		receive(t, closed)
	}
	h.stop()
	if errs := h.failed(); len(errs) != 0 {
		t.Errorf("Failed was told %v, want nothing", errs)
	}
}

// TestServeWithFewDescriptors: Serve returns, however few there are.
func TestServeWithFewDescriptors(t *testing.T) {
	quiesce(t)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	used := fdtest.Numbers(t)
	for n, top := 0, 0; n < 40; top++ {
		if slices.Contains(used, top) {
			continue
		}
		low := was
		low.Cur = uint64Of(low.Cur, top) // n are left
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error, 1)
		go func() {
			s := jobevio.Server{Listening: func([]net.Addr) { cancel(errEnd) }}
			done <- s.Serve(ctx, "tcp://127.0.0.1:0")
		}()
		if err := receive(t, done); err == nil || n < 19 && err == errEnd {
			t.Errorf("Serve() with %d descriptors left = %v, want it to miss some", n, err)
		}
		cancel(nil)
		n++
	}
}

// TestFailedIsToldThePeer: a job without a name is known by its peer.
func TestFailedIsToldThePeer(t *testing.T) {
	h := start(t, &jobevio.Server{Handle: func(j jobs.Job, _ *jobevio.Conn, in []byte) (int, error) {
		if string(in) == "named" {
			j.SetName("its name")
		}
		return 0, errors.New("bad")
	}})
	var want []string
	for _, in := range []string{"nameless", "named"} {
		c := h.dial()
		send(t, c, in)
		io.ReadAll(c)
		want = append(want, c.LocalAddr().String())
	}
	want[1] = "its name"
	h.stop()
	if !slices.Equal(h.names, want) {
		t.Errorf("Failed was told of %q, want %q", h.names, want)
	}
}

// TestPostToAnotherLoop publishes what one connection sends to all, on their loops.
func TestPostToAnotherLoop(t *testing.T) {
	var mu sync.Mutex
	var all []*jobevio.Conn
	s := &jobevio.Server{NumLoops: 3, Data: lines(func(c *jobevio.Conn, line string) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, to := range all {
			if !to.Post(func() { io.WriteString(to, line+"\n") }) {
				t.Error("Post() = false while the server runs")
			}
		}
		return false
	})}
	opened := make(chan *jobevio.Conn, 10)
	s.Opened = func(c *jobevio.Conn) {
		mu.Lock()
		all = append(all, c)
		mu.Unlock()
		opened <- c
	}
	h := start(t, s)
	var conns []net.Conn
	var last *jobevio.Conn
	for range 10 {
		conns = append(conns, h.dial())
		last = receive(t, opened)
	}
	send(t, conns[0], "news\n")
	for _, c := range conns {
		expect(t, c, "news\n")
	}
	h.stop()
	if last.Post(func() {}) {
		t.Error("Post() after Serve = true")
	}
}
