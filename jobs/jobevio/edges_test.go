//go:build linux || darwin || freebsd

package jobevio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/jobs/jobevio"

	"golang.org/x/sys/unix"
)

// A peer that has no more to ask gets the whole of its answer, though the callback in
// which that was written was another connection's.
func TestAnswerAfterHalfClose(t *testing.T) {
	const size = 8 << 20
	h := start(t, &jobevio.Server{Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
		if !bytes.Contains(in, []byte("\n")) {
			return 0, nil
		}
		if err := j.Sleep(time.Millisecond); err != nil {
			return 0, err
		}
		c.Write(make([]byte, size))
		return len(in), nil
	}})
	h.dial() // whose callbacks the loop asks for
	c := h.dial()
	send(t, c, "get\n")
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); len(rest) != size-1 || err != nil {
		t.Errorf("%d bytes of %d came, and %v", 1+len(rest), size, err)
	}
}

// A server on a Unix socket is stopped though the path to it is gone.
func TestStopWithoutThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	h := start(t, &jobevio.Server{}, "unix://"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h.stop()
}

// With few descriptors Serve fails or serves, and never waits for ever.
func TestStartWithFewDescriptors(t *testing.T) {
	quiesce(t)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	served, refused := false, false
	for n := 0; !served; n++ {
		low := was
		low.Cur = uint64Of(low.Cur, len(fdtest.Numbers(t))+n)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error, 1)
		go func() {
			s := &jobevio.Server{Listening: func([]net.Addr) { cancel(errEnd) }}
			done <- s.Serve(ctx, "tcp://127.0.0.1:0")
		}()
		var err error
		select {
		case err = <-done:
		case <-time.After(patience):
			unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
			t.Fatalf("with %d descriptors left Serve does not return", n)
		}
		cancel(nil)
		if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); e != nil {
			t.Fatal(e)
		}
		switch {
		case err == errEnd:
			served = true
		case errors.Is(err, unix.EMFILE):
			refused = true
		case n > 100:
			t.Fatalf("Serve() = %v with %d descriptors left", err, n)
		}
	}
	if !refused {
		t.Error("Serve never said that descriptors are few")
	}
}
