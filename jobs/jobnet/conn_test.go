package jobnet_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"

	"golang.org/x/net/nettest"
)

// viewConn makes every call on the view, in a job of its own.
type viewConn struct {
	*jobnet.Conn
	s loop
}

func (v viewConn) in(fn func(net.Conn) error) error {
	ended := v.s.begin(func(j jobs.Job) error { return fn(v.Conn.In(j)) })
	return <-ended
}

func (v viewConn) Read(b []byte) (n int, err error) {
	err = v.in(func(c net.Conn) (err error) { n, err = c.Read(b); return err })
	return n, err
}

func (v viewConn) Write(b []byte) (n int, err error) {
	err = v.in(func(c net.Conn) (err error) { n, err = c.Write(b); return err })
	return n, err
}

func (v viewConn) Close() error {
	return v.in(func(c net.Conn) error { return c.Close() })
}

func (v viewConn) SetDeadline(t time.Time) error {
	return v.in(func(c net.Conn) error { return c.SetDeadline(t) })
}

func (v viewConn) SetReadDeadline(t time.Time) error {
	return v.in(func(c net.Conn) error { return c.SetReadDeadline(t) })
}

func (v viewConn) SetWriteDeadline(t time.Time) error {
	return v.in(func(c net.Conn) error { return c.SetWriteDeadline(t) })
}

func TestConn(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, mode := range []string{"goroutines", "jobs"} {
			t.Run(network+"/"+mode, func(t *testing.T) {
				if network == "unix" {
					needUnixSockets(t)
				}
				eachBackend(t, func(t *testing.T, s loop) {
					nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
						a, b := s.pair(t, network)
						stop = func() { a.Close(); b.Close() }
						if mode == "jobs" {
							return viewConn{a, s}, viewConn{b, s}, stop, nil
						}
						return a, b, stop, nil
					})
					s.idle(t)
				})
			})
		}
	}
}

// The function of ReadWatch reads all that comes, although a short read makes
// the next call answer without a system call.
func TestReadWatchHearsOfEveryByte(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		got, seen := 0, make(chan int, 1000)
		s.Post(func() {
			ours.ReadWatch().SetFunc(func(j jobs.Job) error {
				for {
					n, err := ours.TryRead(s.Buffer())
					got += n
					if err != nil {
						seen <- got
						if err != error(jobnet.ErrWouldBlock) {
							close(seen)
							ours.ReadWatch().SetFunc(nil)
						}
						return nil
					}
				}
			})
		})
		sent := 0
		for size := 1; size <= 128<<10; size *= 4 {
			n, err := theirs.Write(make([]byte, size))
			if err != nil {
				t.Fatal(err)
			}
			for sent += n; await(t, seen) < sent; {
			}
		}
		s.idle(t)
		theirs.Close()
		for n := range seen {
			if n != sent {
				t.Errorf("got %d bytes at the end, want %d", n, sent)
			}
		}
	})
}

func TestTryReadAndTryWriteNeverWait(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.pair(t, "tcp")
		err := s.do(t, func(j jobs.Job) error {
			buf := make([]byte, 64<<10)
			if n, err := a.TryRead(buf); n != 0 || err != error(jobnet.ErrWouldBlock) {
				t.Errorf("TryRead() = %d, %v, want 0, ErrWouldBlock", n, err)
			}
			// crypto/tls goes on after an error that is temporary.
			if ne := jobnet.ErrWouldBlock.(interface{ Temporary() bool }); !jobnet.ErrWouldBlock.Timeout() || !ne.Temporary() {
				t.Error("ErrWouldBlock is not a temporary timeout")
			}
			if !errors.Is(jobnet.ErrWouldBlock, jobs.ErrWouldBlock) {
				t.Error("ErrWouldBlock is not that of jobs")
			}
			sent := 0
			for {
				n, err := a.TryWrite(buf)
				sent += n
				if err == error(jobnet.ErrWouldBlock) {
					break
				}
				if err != nil {
					return err
				}
			}
			n, err := io.CopyN(io.Discard, b.In(j), int64(sent))
			if err != nil || n != int64(sent) {
				t.Errorf("read %d bytes, %v, of %d", n, err, sent)
			}
			if n, err := a.TryWrite([]byte("x")); n != 1 || err != nil {
				t.Errorf("TryWrite() = %d, %v after the peer has read, want 1, nil", n, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.pair(t, "tcp")
		if _, err := a.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		if err := a.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != "ask" || err != nil {
			t.Errorf("ReadAll() = %q, %v, want what came before the end", got, err)
		}
		if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read() = %d, %v after the end, want 0, io.EOF itself", n, err)
		}
		if _, err := b.Write([]byte("answer")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		if n, err := a.Read(buf); string(buf[:n]) != "answer" || err != nil {
			t.Errorf("Read() = %q, %v after CloseWrite, want the answer", buf[:n], err)
		}
		if _, err := a.Write([]byte("more")); !errors.Is(err, errPipe) {
			t.Errorf("Write() = %v after CloseWrite, want EPIPE", err)
		}
		reading := s.begin(func(j jobs.Job) error { _, err := a.In(j).Read(buf); return err })
		if err := a.CloseRead(); err != nil {
			t.Fatal(err)
		}
		if err := await(t, reading); err != io.EOF {
			t.Errorf("Read() = %v after CloseRead, want io.EOF", err)
		}
	})
}

// Errors are those of package net.
func TestErrors(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, _ := s.pair(t, "tcp")
		check := func(name string, err, want error, op string, timeout bool) {
			t.Helper()
			var oe *net.OpError
			if !errors.As(err, &oe) || oe.Op != op || oe.Net != "tcp" || !errors.Is(err, want) || oe.Timeout() != timeout {
				t.Errorf("%s: %#v, want a net.OpError of %s with %v, Timeout() %v", name, err, op, want, timeout)
			}
		}
		a.SetReadDeadline(time.Now().Add(-time.Second))
		_, err := a.Read(make([]byte, 1))
		check("Read past the deadline", err, os.ErrDeadlineExceeded, "read", true)
		a.SetReadDeadline(time.Time{})

		reading := make(chan error, 2)
		for range 2 {
			go func() { _, err := a.Read(make([]byte, 1)); reading <- err }()
		}
		a.SetReadDeadline(time.Now().Add(time.Millisecond))
		for range 2 {
			check("Read at the deadline", await(t, reading), os.ErrDeadlineExceeded, "read", true)
		}
		a.SetReadDeadline(time.Time{})

		job := make(chan jobs.Job, 1)
		canceled := s.begin(func(j jobs.Job) error {
			job <- j
			_, err := a.In(j).Read(make([]byte, 1))
			return err
		})
		why := errors.New("why")
		(<-job).Cancel(why)
		check("Read of a canceled job", await(t, canceled), why, "read", false)

		if err := a.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		check("Close again", a.Close(), net.ErrClosed, "close", false)
		_, err = a.Read(make([]byte, 1))
		check("Read after Close", err, net.ErrClosed, "read", false)
		_, err = a.Write([]byte("x"))
		check("Write after Close", err, net.ErrClosed, "write", false)
		check("SetDeadline after Close", a.SetDeadline(time.Now()), net.ErrClosed, "set", false)
		check("CloseWrite after Close", a.CloseWrite(), net.ErrClosed, "close", false)
		s.do(t, func(jobs.Job) error {
			_, err := a.TryRead(make([]byte, 1))
			check("TryRead after Close", err, net.ErrClosed, "read", false)
			_, err = a.TryWrite([]byte("x"))
			check("TryWrite after Close", err, net.ErrClosed, "write", false)
			return nil
		})
	})
}

// What a job waits for is told in words, not by the type of a key.
func TestListTellsTheDirection(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.half(t)
		reading := s.begin(func(j jobs.Job) error { _, err := a.In(j).Read(make([]byte, 1)); return err })
		s.do(t, func(jobs.Job) error { return nil }) // by now it waits
		if list := s.List(); len(list) != 1 || len(list[0].Waits) != 1 || !strings.HasSuffix(list[0].Waits[0], " (read)") {
			t.Errorf("List() = %v, want one job that waits to read", list)
		}
		b.Write([]byte("x"))
		if err := await(t, reading); err != nil {
			t.Error(err)
		}
	})
}

// A job of another scheduler is told so, also where it would not have to pause.
func TestJobOfAnotherScheduler(t *testing.T) {
	other := newLoop(t, "")
	s := newLoop(t, "")
	a, b := s.half(t)
	b.Write([]byte("there is something to read"))
	l := s.listen(t, "tcp")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	secured, _, _ := s.secure(t, version(tls.VersionTLS13))
	for name, call := range map[string]func(jobs.Job) error{
		"Read":         func(j jobs.Job) error { _, err := a.In(j).Read(make([]byte, 1)); return err },
		"Write":        func(j jobs.Job) error { _, err := a.In(j).Write([]byte("x")); return err },
		"WriteIn":      func(j jobs.Job) error { return a.WriteIn(j, []byte("x")) },
		"WriteBuffers": func(j jobs.Job) error { return writeBuffers(a.In(j), "x") },
		"AcceptIn":     func(j jobs.Job) error { _, err := l.AcceptIn(j); return err },
		"ServerTLS":    func(j jobs.Job) error { _, err := jobnet.ServerTLS(j, a, nil); return err },
		"TLS Read":     func(j jobs.Job) error { _, err := secured.In(j).Read(make([]byte, 1)); return err },
		"TLS Buffers":  func(j jobs.Job) error { return writeBuffers(secured.In(j), "x") },
		"TLS WriteIn":  func(j jobs.Job) error { return secured.WriteIn(j, []byte("x")) },
		"CloseWriteIn": func(j jobs.Job) error { return secured.CloseWriteIn(j) },
	} {
		err := other.do(t, call)
		var oe *net.OpError
		if !errors.As(err, &oe) || oe.Timeout() || errors.Is(err, net.ErrClosed) {
			t.Errorf("%s() = %v, want a net.OpError that says whose job it is", name, err)
		}
	}
}

// A view that outlives its job, as in a bufio.Reader, says so.
func TestViewOfAnEndedJob(t *testing.T) {
	s := newLoop(t, "")
	a, b := s.half(t)
	b.Write([]byte("there is something to read"))
	var view net.Conn
	s.do(t, func(j jobs.Job) error { view = a.In(j); return nil })
	if err := s.do(t, func(jobs.Job) error { _, err := view.Read(make([]byte, 1)); return err }); !errors.Is(err, jobs.ErrStale) {
		t.Errorf("Read() = %v, want jobs.ErrStale", err)
	}
}

// As in package net on Unix, a deadline does not concern an empty read.
func TestEmptyReadPastTheDeadline(t *testing.T) {
	s := newLoop(t, "")
	c, _ := s.half(t)
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) = %d, %v, want 0, nil", n, err)
	}
}

func writeBuffers(c net.Conn, text string) error {
	_, err := c.(jobnet.BuffersWriter).WriteBuffers(&net.Buffers{[]byte(text)})
	return err
}

func TestWritesAreNotInterleaved(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		const writers, size = 4, 1 << 20
		var ended []chan error
		for i := range writers {
			ended = append(ended, s.begin(func(j jobs.Job) error {
				_, err := ours.In(j).Write(bytes.Repeat([]byte{'a' + byte(i)}, size))
				return err
			}))
		}
		first := make([]byte, 1)
		for range writers {
			if _, err := io.ReadFull(theirs, first); err != nil {
				t.Fatal(err)
			}
			wantRead(t, theirs, size-1, first[0])
		}
		for _, e := range ended {
			if err := await(t, e); err != nil {
				t.Errorf("Write() = %v", err)
			}
		}
	})
}

// While a write is under way TryWrite stays out of it, though there is room.
func TestTryWriteKeepsOutOfAWrite(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.pair(t, "tcp")
		const size = 16 << 20 // more than sockets hold
		ended := s.begin(func(j jobs.Job) error {
			_, err := a.In(j).Write(make([]byte, size))
			return err
		})
		err := s.do(t, func(j jobs.Job) error {
			buf, got := make([]byte, 1<<20), 0
			for dry := 0; dry < 2; { // the first may be the memory of a short read
				n, err := b.TryRead(buf)
				if got += n; err == error(jobnet.ErrWouldBlock) {
					dry++
				} else if err != nil {
					return err
				}
			}
			if n, err := a.TryWrite([]byte("x")); n != 0 || err != error(jobnet.ErrWouldBlock) {
				t.Errorf("TryWrite() = %d, %v in the middle of a write, want 0, ErrWouldBlock", n, err)
			}
			_, err := io.CopyN(io.Discard, b.In(j), int64(size-got))
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := await(t, ended); err != nil {
			t.Errorf("Write() = %v", err)
		}
	})
}

// Nor does a function of SyscallConn write while a write is under way.
func TestRawWriteKeepsOutOfAWrite(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		const size = 16 << 20 // more than sockets hold
		over := false         // the loop's
		written := s.begin(func(j jobs.Job) error {
			_, err := ours.In(j).Write(bytes.Repeat([]byte("a"), size))
			over = true
			return err
		})
		raw, err := ours.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		rawWritten := make(chan error, 1)
		go func() {
			rawWritten <- raw.Write(func(fd uintptr) bool {
				if !over {
					t.Error("called in the middle of a write")
				}
				_, err := rawWrite(int(fd), []byte("b"))
				return err != errWouldBlock
			})
		}()
		for deadline := time.Now().Add(patience); s.Live() < 2; s.Stats() {
			if time.Now().After(deadline) {
				t.Fatalf("Live() = %d, want 2", s.Live())
			}
		}
		wantRead(t, theirs, size, 'a')
		wantRead(t, theirs, 1, 'b')
		for _, ended := range []chan error{written, rawWritten} {
			if err := await(t, ended); err != nil {
				t.Errorf("Write() = %v", err)
			}
		}
	})
}

// A connection that always has something to read does not hold the loop.
func TestBusyReaderLetsOthersGoOn(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.pair(t, "tcp")
		stop := false
		reading := s.begin(func(j jobs.Job) error {
			buf := make([]byte, 1)
			if _, err := b.TryWrite([]byte("x")); err != nil {
				return err
			}
			for !stop {
				if _, err := b.TryWrite([]byte("x")); err != nil {
					return err
				}
				if _, err := a.In(j).Read(buf); err != nil {
					return err
				}
			}
			return nil
		})
		if err := s.do(t, func(jobs.Job) error { stop = true; return nil }); err != nil {
			t.Error(err)
		}
		if err := await(t, reading); err != nil {
			t.Errorf("the busy reader: %v", err)
		}
	})
}

// Closing a scheduler ends its connections: calls return, descriptors are
// closed (which newLoop checks).
func TestSchedulerCloseClosesConns(t *testing.T) {
	s := newLoop(t, "")
	a, _ := s.pair(t, "tcp")
	b, _ := s.pair(t, "tcp")
	l := s.listen(t, "tcp")
	var ended []chan error
	for _, fn := range []func() error{
		func() error { _, err := a.Read(make([]byte, 1)); return err },
		func() error { _, err := b.Write(make([]byte, 64<<20)); return err },
		func() error { _, err := l.Accept(); return err },
	} {
		ch := make(chan error, 1)
		ended = append(ended, ch)
		go func() { ch <- fn() }()
	}
	ended = append(ended, s.begin(func(j jobs.Job) error { // is never quiet, but for letting others run
		for conn := a.In(j); ; {
			if _, err := conn.Read(nil); err != nil {
				return err
			}
		}
	}))
	for deadline := time.Now().Add(patience); s.Live() < len(ended); s.Stats() {
		if time.Now().After(deadline) {
			t.Fatalf("Live() = %d, want %d", s.Live(), len(ended))
		}
	}
	s.Close()
	for i, ch := range ended {
		if err := await(t, ch); !errors.Is(err, net.ErrClosed) {
			t.Errorf("call %d = %v, want net.ErrClosed", i, err)
		}
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read() = %v after the scheduler's Close, want net.ErrClosed", err)
	}
	if _, err := jobnet.Dial(s.Scheduler, "tcp", "127.0.0.1:1"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial() = %v after the scheduler's Close, want net.ErrClosed", err)
	}
}

// Deadlines without a monotonic reading are right after the clock was set.
func TestDeadlineAfterTheClockWasSet(t *testing.T) {
	t.Cleanup(jobnet.SetClockForward(time.Hour)) // once no loop is left
	s := newLoop(t, "")
	ours, theirs := s.half(t)
	defer time.AfterFunc(patience, func() { theirs.Close() }).Stop()
	ours.SetReadDeadline(time.Now().Add(time.Millisecond).Round(0))
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read() = %v past a deadline by the wall clock, want %v", err, os.ErrDeadlineExceeded)
	}
	ours.SetReadDeadline(time.Now().Add(time.Minute).Round(0))
	theirs.Write([]byte("x"))
	if n, err := ours.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("Read() = %d, %v before a deadline by the wall clock, want 1, nil", n, err)
	}
}
