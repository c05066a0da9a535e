package jobnet_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/jobs/jobnet"
	"bide/poller"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// chosen is the backend that BIDE_POLLER names; "" for the default, and for all
// where a test runs on each.
var chosen = os.Getenv("BIDE_POLLER")

// loop is a scheduler that runs on a goroutine of its own until the test ends,
// when it must have neither jobs nor descriptors left.
type loop struct{ *jobs.Scheduler }

func newLoop(t *testing.T, backend string) loop {
	t.Helper()
	wakeNetpoller(t)
	if _, another := checked.LoadOrStore(t, true); !another {
		// Once a test: a loop may open descriptors while the next one is made.
		fdtest.Check(t)
	}
	if backend == "" {
		backend = chosen
	}
	return loopOn(t, option(t, backend))
}

// loopOn is newLoop with a poller that the test looks at.
func loopOn(t *testing.T, o jobs.Option) loop {
	t.Helper()
	s, err := jobs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != context.Canceled && err != nil {
			t.Errorf("Run() = %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		if n := s.Live(); n != 0 {
			t.Errorf("Live() = %d after Close, want 0", n)
		}
	})
	return loop{s}
}

// checked holds the tests whose descriptors are counted.
var checked sync.Map

// wakeNetpoller has Go open its own poller's descriptors before any is counted.
func wakeNetpoller(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// modelled opens pollers over models of other systems' kernels, by name.
var modelled = make(map[string]func(t testing.TB) poller.Poller)

// option has a scheduler use a backend of this system or a modelled one.
func option(t *testing.T, backend string) jobs.Option {
	open := modelled[backend]
	if open == nil {
		return jobs.WithBackend(backend)
	}
	p := open(t)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() of the poller = %v", err)
		}
	})
	return jobs.WithPoller(p)
}

// eachBackend runs the test on every backend and on those modelled, or on the
// chosen one.
func eachBackend(t *testing.T, fn func(t *testing.T, s loop)) {
	names := slices.Concat(poller.Backends(), slices.Sorted(maps.Keys(modelled)))
	if chosen != "" {
		names = []string{chosen}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { fn(t, newLoop(t, name)) })
	}
}

// do runs fn as a job and returns what it returned.
func (s loop) do(t *testing.T, fn func(jobs.Job) error) error {
	t.Helper()
	return await(t, s.begin(fn))
}

// begin runs fn as a job; its error comes later.
func (s loop) begin(fn func(jobs.Job) error) chan error {
	ended := make(chan error, 1)
	s.Go(func(j jobs.Job) error {
		err := errors.New("the job did not return")
		defer func() { ended <- err }()
		err = fn(j)
		return nil
	})
	return ended
}

// idle waits until no job is live.
func (s loop) idle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); s.Live() > 0; {
		if s.Stats(); time.Now().After(deadline) { // Stats: one more turn
			t.Fatalf("Live() = %d, want 0; %v", s.Live(), s.List())
		}
	}
}

func await[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("what must happen did not")
		panic("unreachable")
	}
}

// listen has s listen on an address of the system's choice.
func (s loop) listen(t *testing.T, network string) *jobnet.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		needUnixSockets(t)
		address = filepath.Join(t.TempDir(), "socket")
	}
	l, err := jobnet.Listen(s.Scheduler, network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// pair returns the two ends of a connection, both on s.
func (s loop) pair(t *testing.T, network string) (a, b *jobnet.Conn) {
	t.Helper()
	l := s.listen(t, network)
	accepted := make(chan *jobnet.Conn, 1)
	failed := s.begin(func(j jobs.Job) error {
		c, err := l.AcceptIn(j)
		accepted <- c
		return err
	})
	a, err := jobnet.Dial(s.Scheduler, l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := await(t, failed); err != nil {
		t.Fatal(err)
	}
	b = <-accepted
	l.Close()
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// half returns the ends of a connection: ours on s, theirs of package net.
func (s loop) half(t *testing.T) (ours *jobnet.Conn, theirs *net.TCPConn) {
	t.Helper()
	l := s.listen(t, "tcp")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := s.do(t, func(j jobs.Job) (err error) {
		ours, err = l.AcceptIn(j)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	t.Cleanup(func() { ours.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return ours, c.(*net.TCPConn)
}

// wantRead reads n bytes and checks that each is b.
func wantRead(t *testing.T, r io.Reader, n int, b byte) {
	t.Helper()
	buf := make([]byte, n)
	if n, err := io.ReadFull(r, buf); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(buf), err)
	}
	for i, x := range buf {
		if x != b {
			t.Fatalf("byte %d is %q, want %q", i, x, b)
		}
	}
}

// needUnixSockets skips where the system has none.
func needUnixSockets(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		if runtime.GOOS == "windows" {
			t.Skipf("the system has no Unix sockets: %v", err)
		}
		t.Fatal(err)
	}
	l.Close()
}
