package jobnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/jobs/jobnet"
)

// A Listener and its Conns serve package net/http, which knows nothing of jobs.
func TestListenerServesHTTP(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "tcp")
		var open sync.WaitGroup // connections; both ends are closed in their own time
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(countingListener{l, &open}) }()
		transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return counted(&open)(new(net.Dialer).DialContext(ctx, network, addr))
		}}
		client := &http.Client{Transport: transport, Timeout: patience}
		want := strings.Repeat("bide", 100_000)
		for range 3 {
			r, err := client.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader(want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r.Body)
			r.Body.Close()
			if string(got) != want || err != nil {
				t.Errorf("got %d bytes back, %v, want %d", len(got), err, len(want))
			}
		}
		transport.CloseIdleConnections()
		server.Close()
		if err := await(t, served); err != http.ErrServerClosed {
			t.Errorf("Serve() = %v", err)
		}
		gone := make(chan struct{})
		go func() { open.Wait(); close(gone) }()
		await(t, gone)
		s.idle(t)
	})
}

type countingListener struct {
	net.Listener
	open *sync.WaitGroup
}

func (l countingListener) Accept() (net.Conn, error) { return counted(l.open)(l.Listener.Accept()) }

// counted has a connection in open until it has been closed.
func counted(open *sync.WaitGroup) func(net.Conn, error) (net.Conn, error) {
	return func(c net.Conn, err error) (net.Conn, error) {
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &countedConn{Conn: c, closed: sync.OnceFunc(open.Done)}, nil
	}
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

func TestListenerClose(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "unix")
		path := l.Addr().String()
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		accepting := s.begin(func(j jobs.Job) error { _, err := l.AcceptIn(j); return err })
		if err := l.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		if err := await(t, accepting); !errors.Is(err, net.ErrClosed) {
			t.Errorf("AcceptIn() = %v at Close, want net.ErrClosed", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept() = %v after Close, want net.ErrClosed", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close() = %v the second time, want net.ErrClosed", err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("the socket %s is still there: %v", path, err)
		}
	})
}

// A listener on a Unix socket leaves no path behind when its scheduler is closed,
// or was before.
func TestSchedulerCloseUnlinks(t *testing.T) {
	needUnixSockets(t)
	eachBackend(t, func(t *testing.T, s loop) {
		dir := t.TempDir()
		var ls []*jobnet.Listener
		for _, name := range []string{"a", "b", "c"} {
			l, err := jobnet.Listen(s.Scheduler, "unix", filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			ls = append(ls, l)
		}
		ls[0].Close()
		kept, err := net.Listen("unix", filepath.Join(dir, "a")) // another's by now
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		accepting := make(chan struct{})
		ended := s.begin(func(j jobs.Job) error { // before the loop knows of the listener
			defer close(accepting)
			l, err := jobnet.Listen(s.Scheduler, "unix", filepath.Join(dir, "e"))
			if err != nil {
				return err
			}
			s.Go(func(jobs.Job) error { accepting <- struct{}{}; return nil })
			_, err = l.AcceptIn(j)
			return err
		})
		await(t, accepting)
		s.Close()
		if err := await(t, ended); !errors.Is(err, net.ErrClosed) {
			t.Errorf("AcceptIn() = %v at the scheduler's Close, want net.ErrClosed", err)
		}
		if _, err := jobnet.Listen(s.Scheduler, "unix", filepath.Join(dir, "d")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Listen() = %v after the scheduler's Close, want net.ErrClosed", err)
		}
		idle, err := jobs.New() // never runs
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jobnet.Listen(idle, "unix", filepath.Join(dir, "f")); err != nil {
			t.Fatal(err)
		}
		idle.Close()
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0].Name() != "a" {
			t.Errorf("%v are left, want a alone", left)
		}
		for _, l := range ls {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Close() = %v after the scheduler's, want net.ErrClosed", err)
			}
		}
	})
}

func TestListenerDeadline(t *testing.T) {
	s := newLoop(t, "")
	l := s.listen(t, "tcp")
	l.SetDeadline(time.Now().Add(time.Millisecond))
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Accept() = %v, want os.ErrDeadlineExceeded", err)
	}
}

func TestListenErrors(t *testing.T) {
	s := newLoop(t, "")
	l := s.listen(t, "tcp")
	if _, err := jobnet.Listen(s.Scheduler, "tcp", l.Addr().String()); !errors.Is(err, errAddrInUse) {
		t.Errorf("Listen() = %v on a port in use, want EADDRINUSE", err)
	}
	for _, network := range []string{"udp", "unixgram", "nonsense"} {
		var unknown net.UnknownNetworkError
		if _, err := jobnet.Listen(s.Scheduler, network, "127.0.0.1:0"); !errors.As(err, &unknown) {
			t.Errorf("Listen(%q) = %v, want net.UnknownNetworkError", network, err)
		}
		if _, err := jobnet.Dial(s.Scheduler, network, "127.0.0.1:1"); !errors.As(err, &unknown) {
			t.Errorf("Dial(%q) = %v, want net.UnknownNetworkError", network, err)
		}
	}
}

func TestReusePort(t *testing.T) {
	s := newLoop(t, "")
	a, err := jobnet.Listen(s.Scheduler, "tcp", "127.0.0.1:0", jobnet.ReusePort())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := jobnet.Listen(s.Scheduler, "tcp", a.Addr().String(), jobnet.ReusePort())
	if err != nil {
		t.Fatalf("Listen() = %v on the same port", err)
	}
	b.Close()
}

// Loops begin to listen at the same time.
func TestReusePortAtOnce(t *testing.T) {
	s := newLoop(t, "")
	for range 20 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := free.Addr().String()
		free.Close()
		errs := make(chan error)
		const loops = 4
		for range loops {
			go func() {
				l, err := jobnet.Listen(s.Scheduler, "tcp", address, jobnet.ReusePort())
				if err == nil {
					defer l.Close()
				}
				errs <- err
			}()
		}
		for range loops {
			if err := <-errs; err != nil {
				t.Errorf("Listen() = %v while others listen there", err)
			}
		}
	}
}

func TestAdopt(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		nl, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := jobnet.AdoptListener(s.Scheduler, nl)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		original, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		a, err := jobnet.Adopt(s.Scheduler, original)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if _, err := original.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() = %v on the original, want net.ErrClosed", err)
		}
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if _, err := a.Write([]byte("xxx")); err != nil {
			t.Fatal(err)
		}
		wantRead(t, b, 3, 'x')

		p, q := net.Pipe()
		defer p.Close()
		defer q.Close()
		if _, err := jobnet.Adopt(s.Scheduler, p); err == nil {
			t.Error("Adopt() of a net.Pipe succeeded")
		}
		t.Run("UDP", func(t *testing.T) {
			u, err := net.Dial("udp", "127.0.0.1:9")
			if err != nil && runtime.GOOS == "windows" {
				t.Skipf("package net has no UDP here: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			if _, err := jobnet.Adopt(s.Scheduler, u); err == nil {
				t.Error("Adopt() of UDP succeeded")
			}
		})
	})
}

// The path of a listener that was adopted is its owner's, unless that says
// otherwise, and so is that of one that is refused.
func TestAdoptListenerLeavesThePath(t *testing.T) {
	needUnixSockets(t)
	s := newLoop(t, "")
	for _, c := range []struct {
		network      string
		unlink, left bool
	}{{"unix", false, true}, {"unix", true, false}, {"unixpacket", false, true}} {
		path := filepath.Join(t.TempDir(), "socket")
		nl, err := net.Listen(c.network, path)
		if err != nil && c.network == "unixpacket" {
			continue // not every system has it
		}
		if err != nil {
			t.Fatal(err)
		}
		nl.(*net.UnixListener).SetUnlinkOnClose(c.network == "unix") // of the one that stays its owner's
		l, err := jobnet.AdoptListener(s.Scheduler, nl)
		if (err != nil) != (c.network == "unixpacket") {
			t.Fatalf("AdoptListener() of %s = %v", c.network, err)
		}
		if err != nil {
			nl.Close()
		} else {
			if c.unlink {
				l.SetUnlinkOnClose(true)
			}
			l.Close()
		}
		if _, err := os.Stat(path); (err == nil) != c.left {
			t.Errorf("%s, unlink %v: Stat() = %v, left should be %v", c.network, c.unlink, err, c.left)
		}
	}
}

// Accepted and dialled connections have the options package net gives them.
func TestOptions(t *testing.T) {
	s := newLoop(t, "")
	a, b := s.pair(t, "tcp")
	get := func(c *jobnet.Conn, level, opt int) (v int) {
		t.Helper()
		raw, err := c.SyscallConn()
		if err == nil {
			if cerr := raw.Control(func(fd uintptr) { v, err = getOption(int(fd), level, opt) }); err == nil {
				err = cerr
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, c := range map[string]*jobnet.Conn{"dialled": a, "accepted": b} {
		if get(c, syscall.IPPROTO_TCP, syscall.TCP_NODELAY) == 0 || get(c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) == 0 {
			t.Errorf("%s: TCP_NODELAY or SO_KEEPALIVE is off", name)
		}
	}
	if err := errors.Join(a.SetNoDelay(false), a.SetKeepAlive(false)); err != nil {
		t.Fatal(err)
	}
	if get(a, syscall.IPPROTO_TCP, syscall.TCP_NODELAY) != 0 || get(a, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) != 0 {
		t.Error("TCP_NODELAY or SO_KEEPALIVE is still on")
	}
	const size = 16 << 10 // Linux doubles it
	if err := errors.Join(a.SetReadBuffer(size), a.SetWriteBuffer(2*size)); err != nil {
		t.Fatal(err)
	}
	if in, out := get(a, syscall.SOL_SOCKET, syscall.SO_RCVBUF), get(a, syscall.SOL_SOCKET, syscall.SO_SNDBUF); in/size < 1 || in/size > 2 || out != 2*in {
		t.Errorf("SO_RCVBUF is %d and SO_SNDBUF %d, want %d and %d or twice that", in, out, size, 2*size)
	}
	if err := a.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	a.Close()
	_, err := b.Read(make([]byte, 1))
	t.Run("reset", func(t *testing.T) {
		if fdtest.HidesReset(t) {
			t.Skip("the system tells of a reset as of the end of the stream")
		}
		if !errors.Is(err, errReset) {
			t.Errorf("Read() = %v after the peer's abortive close, want ECONNRESET", err)
		}
	})
}

// A raw call of a view pauses its job, and leaves the loop to others.
func TestSyscallConnOfAView(t *testing.T) {
	s := newLoop(t, "")
	a, b := s.pair(t, "tcp")
	buf := make([]byte, 8)
	reading := s.begin(func(j jobs.Job) error {
		raw, err := a.In(j).(syscall.Conn).SyscallConn()
		if err != nil {
			return err
		}
		n, rerr := 0, error(nil)
		err = raw.Read(func(fd uintptr) bool {
			n, rerr = rawRead(int(fd), buf)
			return rerr != errWouldBlock
		})
		buf = buf[:max(n, 0)]
		return errors.Join(err, rerr)
	})
	s.begin(func(j jobs.Job) error { return b.WriteIn(j, []byte("raw")) })
	if err := await(t, reading); err != nil || string(buf) != "raw" {
		t.Errorf("raw read got %q, %v, want %q", buf, err, "raw")
	}
}

// A raw call whose function does not return was none.
func TestRawCallThatPanics(t *testing.T) {
	s := newLoop(t, "")
	a, _ := s.pair(t, "tcp")
	raw, err := a.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, fn := range map[string]func(uintptr) bool{
		"panics": func(uintptr) bool { panic("in fn") },
		"exits":  func(uintptr) bool { runtime.Goexit(); return true },
	} {
		if err := raw.Write(fn); err == nil {
			t.Errorf("Write() = nil of a function that %s", name)
		}
	}
}

func TestSyscallConn(t *testing.T) {
	s := newLoop(t, "")
	a, b := s.pair(t, "tcp")
	raw, err := a.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got, buf := make(chan string, 1), make([]byte, 8)
	go func() {
		n := 0
		if err := raw.Read(func(fd uintptr) bool {
			n, err = rawRead(int(fd), buf)
			return err != errWouldBlock
		}); err != nil {
			got <- err.Error()
		}
		got <- string(buf[:max(n, 0)])
	}()
	rawB, _ := b.SyscallConn()
	if err := rawB.Write(func(fd uintptr) bool {
		_, err := rawWrite(int(fd), []byte("raw"))
		return err != errWouldBlock
	}); err != nil {
		t.Fatal(err)
	}
	if s := await(t, got); s != "raw" {
		t.Errorf("raw read got %q, want %q", s, "raw")
	}
	a.Close()
	if err := raw.Control(func(uintptr) {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Control() = %v after Close, want net.ErrClosed", err)
	}
}
