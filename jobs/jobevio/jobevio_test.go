//go:build linux || darwin || freebsd

package jobevio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
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
	"bide/jobs/jobevio"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// TestEveryKindOfPause has a job pause on each thing there is to pause on, also
// over a Unix socket.
func TestEveryKindOfPause(t *testing.T) {
	for _, addr := range []string{"tcp://127.0.0.1:0", "unix://" + filepath.Join(t.TempDir(), "sock")} {
		t.Run(addr[:4], func(t *testing.T) {
			r, w := fdtest.Pipe(t)
			wakers := make(chan jobs.Waker, 1)
			h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
				ended, err := c.Go(func(j jobs.Job) (err error) {
					switch line {
					case "pipe":
						if err = j.Wait(r.FD(), waitctx.Readable); err == nil {
							line = r.Read(16)
						}
					case "sleep":
						err = j.Sleep(2 * time.Millisecond)
					case "await":
						line, err = jobs.Await(j, func(context.Context) (string, error) { return "awaited", nil })
					case "waker":
						wakers <- j.Waker()
						err = j.Park()
					case "own waker":
						j.Waker().Wake()
						err = j.Park()
					}
					fmt.Fprintln(c, line)
					return err
				})
				if err != nil {
					t.Errorf("Go() = %v, want nil", err)
				}
				return !ended
			})}, addr)
			c := h.dial()
			for range 20 {
				send(t, c, "no pause\nsleep\nawait\nown waker\npipe\nwaker\nno pause\n")
				expect(t, c, "no pause\nsleep\nawaited\nown waker\n")
				w.Write("piped")
				expect(t, c, "piped\n")
				receive(t, wakers).Wake()
				expect(t, c, "waker\nno pause\n")
			}
		})
	}
}

// TestLoopStaysTheSame: whatever resumes a job, it is the goroutine of the
// connection's loop, as the Data that follows it shows.
func TestLoopStaysTheSame(t *testing.T) {
	r, w := fdtest.Pipe(t)
	type home struct{ id int }
	var mu sync.Mutex
	ids := make(map[int]int)
	h := start(t, &jobevio.Server{NumLoops: 3, Data: lines(func(c *jobevio.Conn, line string) bool {
		if c.Context() == nil {
			c.SetContext(&home{id: goid()})
			mu.Lock()
			ids[goid()]++
			mu.Unlock()
		}
		if at := c.Context().(*home); at.id != goid() {
			t.Errorf("Data runs on goroutine %d, then on %d", at.id, goid())
		}
		ended, _ := c.Go(func(j jobs.Job) error {
			if err := j.Wait(r.FD(), waitctx.Readable); err != nil {
				return err
			}
			if _, err := jobs.Await(j, func(context.Context) (int, error) { return 0, nil }); err != nil {
				return err
			}
			fmt.Fprintln(c, line)
			return nil
		})
		return !ended
	})})
	w.Write("x") // and nobody reads it
	for n := range 30 {
		c := h.dial()
		send(t, c, "a\nb\nc\n")
		expect(t, c, "a\nb\nc\n")
		mu.Lock()
		loops := len(ids)
		mu.Unlock()
		if n > 5 && loops > 1 {
			return
		}
	}
	t.Log("every connection came to one loop")
}

// TestThreeWakes is evio#72: three wakes that each bring 8 MiB, with and without
// waiting for the output to leave, and a peer that reads slowly.
func TestThreeWakes(t *testing.T) {
	const size = 8 << 20
	part := func(n int) []byte {
		b := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(n)}).Read(b)
		return b
	}
	for _, flush := range []bool{false, true} {
		t.Run(fmt.Sprintf("flush=%v", flush), func(t *testing.T) {
			wakers := make(chan jobs.Waker)
			h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
				c.Go(func(j jobs.Job) error {
					for n := range 3 {
						wakers <- j.Waker()
						if err := j.Park(); err != nil {
							return err
						}
						c.Write(part(n))
						if flush {
							if err := c.Flush(j); err != nil {
								return err
							}
						}
					}
					return nil
				})
				return true
			})})
			c := h.dial()
			send(t, c, "go\n")
			if !flush {
				for range 3 { // before anything is read
					receive(t, wakers).Wake()
				}
			}
			buf := make([]byte, 16<<10)
			for n := range 3 {
				if flush {
					receive(t, wakers).Wake()
				}
				for want := part(n); len(want) > 0; {
					got, err := c.Read(buf[:min(len(buf), len(want))])
					if err != nil || !bytes.Equal(buf[:got], want[:got]) {
						t.Fatalf("part %d, %d bytes before its end: Read() = %d, %v, or other bytes", n, len(want), got, err)
					}
					want = want[got:]
				}
			}
			send(t, c, "go\n") // and nothing comes in between
			wk := receive(t, wakers)
			h.stop()
			wk.Wake()
			if rest, _ := io.ReadAll(c); len(rest) != 0 {
				t.Errorf("%d bytes too many", len(rest))
			}
		})
	}
}

// TestThousandPausedJobs resumes 1,000 connections' jobs in random order.
func TestThousandPausedJobs(t *testing.T) {
	const n = 1000
	type paused struct {
		line string
		w    jobs.Waker
	}
	wakers := make(chan paused, n)
	h := start(t, &jobevio.Server{NumLoops: 2, Data: lines(func(c *jobevio.Conn, line string) bool {
		c.Go(func(j jobs.Job) error {
			wakers <- paused{line, j.Waker()}
			err := j.Park()
			fmt.Fprintf(c, "answer to %s\n", line)
			return err
		})
		return true
	})})
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = h.dial()
		send(t, conns[i], fmt.Sprintf("%d\n", i))
	}
	var all []paused
	for range n {
		all = append(all, receive(t, wakers))
	}
	rand.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, p := range all {
		p.w.Wake()
		p.w.Wake()
	}
	for i, c := range conns {
		expect(t, c, fmt.Sprintf("answer to %d\n", i))
	}
}

// TestShutdown ends a server of 100 paused jobs: all unwind, and what wakes them
// afterwards reaches nothing, least of all files that have evio's old numbers.
func TestShutdown(t *testing.T) {
	r, _ := fdtest.Pipe(t)
	var wakers []jobs.Waker
	var mu sync.Mutex
	unwound, begun, late := 0, make(chan struct{}, 100), make(chan struct{})
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(late)
	h := start(t, &jobevio.Server{NumLoops: 2, Data: lines(func(c *jobevio.Conn, line string) bool {
		c.Go(func(j jobs.Job) error {
			mu.Lock()
			wakers = append(wakers, j.Waker())
			n := len(wakers)
			mu.Unlock()
			begun <- struct{}{}
			var err error
			switch n % 4 {
			case 0:
				err = j.Wait(r.FD(), waitctx.Readable)
			case 1:
				err = j.Sleep(time.Hour)
			case 2:
				workers.Add(1)
				_, err = jobs.Await(j, func(context.Context) (int, error) {
					defer workers.Done()
					<-late
					return 0, nil
				})
			case 3:
				err = j.Park()
			}
			mu.Lock()
			defer mu.Unlock()
			if unwound++; !errors.Is(err, jobs.ErrCanceled) {
				t.Errorf("the wait of job %d = %v, want ErrCanceled", n, err)
			}
			return err
		})
		return true
	})})
	var conns []net.Conn
	for range 100 {
		c := h.dial()
		conns = append(conns, c)
		send(t, c, "pause\n")
		receive(t, begun)
	}
	h.stop()
	if unwound != 100 {
		t.Errorf("%d jobs have unwound, want 100", unwound)
	}
	if errs := h.failed(); len(errs) != 0 {
		t.Errorf("Failed was told %v, want nothing", errs)
	}
	for _, c := range conns {
		if b, err := io.ReadAll(c); len(b) != 0 {
			t.Errorf("ReadAll() = %q, %v, want nothing", b, err)
		}
		c.Close()
	}
	var pairs []*fdtest.File // of every number that has become free
	for range 64 {
		a, b := fdtest.Socketpair(t)
		pairs = append(pairs, a, b)
	}
	for _, w := range wakers {
		w.Wake()
	}
	for range 25 {
		late <- struct{}{}
	}
	workers.Wait()
	for _, p := range pairs {
		var b [16]byte
		if n, err := unix.Read(p.Num(), b[:]); err != unix.EAGAIN {
			t.Errorf("descriptor %d has %d stray bytes (%v): %q", p.Num(), n, err, b[:max(n, 0)])
		}
	}
}

// TestStopWithoutConnections: there is no connection whose callback could end
// the server.
func TestStopWithoutConnections(t *testing.T) {
	h := start(t, &jobevio.Server{NumLoops: 2, Data: lines(func(c *jobevio.Conn, line string) bool {
		fmt.Fprintln(c, line)
		return false
	})})
	c := h.dial()
	send(t, c, "once\n")
	expect(t, c, "once\n")
	c.Close()
	h.stop()
	if c, err := net.Dial("tcp", h.addr.String()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

// TestStopBesideOthers: the address is shared, so that what is dialled there mostly
// reaches somebody else, and would not end a server without connections.
func TestStopBesideOthers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux spreads connections over all that share an address")
	}
	h := start(t, &jobevio.Server{}, "tcp://127.0.0.1:0?reuseport=true")
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	for range 15 {
		l, err := lc.Listen(t.Context(), "tcp", h.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	h.stop()
}

// TestStopWithoutThePath: a server on a Unix socket is stopped though the path to it is gone.
func TestStopWithoutThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	h := start(t, &jobevio.Server{}, "unix://"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h.stop()
}

// TestStopBehindSlowReader: evio looks at a Shutdown only once the connection's
// output has left, and this peer never reads.
func TestStopBehindSlowReader(t *testing.T) {
	full := make(chan struct{})
	h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
		c.Write(make([]byte, 32<<20))
		close(full)
		return false
	})})
	send(t, h.dial(), "go\n")
	receive(t, full)
	h.stop()
}

// TestInputWhilePaused: what arrives while a job is paused is kept up to the
// limit and comes in order; beyond it the connection ends, and it alone.
func TestInputWhilePaused(t *testing.T) {
	wakers := make(chan jobs.Waker, 1)
	closed := make(chan error, 1)
	s := &jobevio.Server{MaxInput: 1 << 20, Data: lines(func(c *jobevio.Conn, line string) bool {
		ended := true
		if line == "pause" {
			ended, _ = c.Go(func(j jobs.Job) error {
				wakers <- j.Waker()
				return j.Park()
			})
		} else {
			fmt.Fprintln(c, line)
		}
		return !ended
	})}
	s.Closed = func(c *jobevio.Conn, err error) { closed <- err }
	h := start(t, s)
	c := h.dial()
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "line %d of what arrives meanwhile\n", i)
	}
	send(t, c, "pause\n")
	w := receive(t, wakers)
	go io.WriteString(c, text.String())
	w.Wake()
	expect(t, c, text.String())

	send(t, c, "pause\n")
	receive(t, wakers)
	block := bytes.Repeat([]byte("x"), 64<<10)
	var err error
	for n := 0; err == nil; n += len(block) {
		if n > 64<<20 {
			t.Fatal("64 MiB were taken while the job is paused")
		}
		_, err = c.Write(block)
	}
	receive(t, closed)
	if errs := h.failed(); len(errs) != 1 || errs[0] != jobevio.ErrInput {
		t.Errorf("Failed was told %v, want ErrInput", errs)
	}
	other := h.dial()
	send(t, other, "still there\n")
	expect(t, other, "still there\n")
}

// TestUnreadOutputStopsReading: a peer that pipelines without reading is made to
// wait, not cut off, as by evio itself.
func TestUnreadOutputStopsReading(t *testing.T) {
	for _, how := range []string{"jobs=false", "jobs=true", "handle"} {
		t.Run(how, func(t *testing.T) {
			s := &jobevio.Server{MaxInput: 128 << 10, Data: func(c *jobevio.Conn, in []byte) int {
				if how == "jobs=false" {
					c.Write(in)
				} else if ended, err := c.Go(func(jobs.Job) error { c.Write(in); return nil }); !ended || err != nil {
					t.Errorf("Go() = %v, %v, want true, nil", ended, err)
				}
				return len(in)
			}}
			if how == "handle" {
				s.Handle = func(_ jobs.Job, c *jobevio.Conn, in []byte) (int, error) { return c.Write(in) }
			}
			h := start(t, s)
			c := h.dial()
			const size = 48 << 20
			source := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), size) }
			c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
			n, _ := io.Copy(c, source()) // until neither side takes more
			if n == size {
				t.Fatalf("all of %d bytes were taken unread", n)
			}
			c.(*net.TCPConn).CloseWrite()
			var got bytes.Buffer
			want := make([]byte, n)
			io.ReadFull(source(), want)
			io.Copy(&got, c)
			// The last of it may be unread by evio when it sees the end.
			if !bytes.HasPrefix(want, got.Bytes()) || got.Len() == 0 {
				t.Errorf("%d bytes came back that are not the beginning of the %d sent", got.Len(), n)
			}
			if errs := h.failed(); len(errs) != 0 {
				t.Errorf("Failed was told %v, want nothing", errs)
			}
		})
	}
}

// TestFragments sends lines in random pieces to jobs that pause and read on.
func TestFragments(t *testing.T) {
	h := start(t, &jobevio.Server{NumLoops: 2, Data: lines(func(c *jobevio.Conn, line string) bool {
		ended, _ := c.Go(func(j jobs.Job) error {
			if len(line)%3 == 0 {
				j.Sleep(0)
			}
			if len(line)%5 == 0 { // the next four bytes are the job's
				var b [4]byte
				for n := 0; n < len(b); {
					m, err := c.Read(j, b[n:])
					if err != nil {
						return err
					}
					n += m
				}
				line += string(b[:])
			}
			fmt.Fprintln(c, line)
			return nil
		})
		return !ended
	})})
	var clients sync.WaitGroup
	for n := range 8 {
		c := h.dial()
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			var out, want strings.Builder
			for i := range 500 {
				line := fmt.Sprintf("%d/%d %s", n, i, strings.Repeat("z", r.IntN(40)))
				out.WriteString(line + "\n")
				if len(line)%5 == 0 {
					out.WriteString("more")
					line += "more"
				}
				want.WriteString(line + "\n")
			}
			exchange(t, c, out.String(), want.String(), func() int { return 1 + r.IntN(300) })
		})
	}
	clients.Wait()
}

// TestFailingJobs: an error, a panic and a Goexit each end one connection.
func TestFailingJobs(t *testing.T) {
	bad := errors.New("bad")
	h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
		c.Go(func(j jobs.Job) error {
			fmt.Fprintln(c, line)
			j.Sleep(0)
			switch line {
			case "panic":
				panic(bad)
			case "exit":
				runtime.Goexit()
			case "error":
				return bad
			}
			return nil
		})
		return true
	})})
	other := h.dial()
	for _, line := range []string{"error", "panic", "exit"} {
		c := h.dial()
		send(t, c, line+"\n")
		if got, err := io.ReadAll(c); string(got) != line+"\n" || err != nil {
			t.Errorf("ReadAll() = %q, %v, want the line, nil", got, err)
		}
		send(t, other, "still there\n")
		expect(t, other, "still there\n")
	}
	errs := h.failed()
	if len(errs) != 3 || !errors.Is(errs[0], bad) || !errors.Is(errs[1], bad) || !errors.Is(errs[2], jobs.ErrGoexit) {
		t.Errorf("Failed was told %v, want bad, a panic of it, ErrGoexit", errs)
	}
}

// TestCloseAfterOutput: what was written before Close arrives, then the end.
func TestCloseAfterOutput(t *testing.T) {
	for _, line := range []string{"handler", "job"} {
		t.Run(line, func(t *testing.T) {
			h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
				finish := func() {
					c.Write(bytes.Repeat([]byte("0123456789abcdef"), 512<<10))
					c.Close()
					if _, err := c.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
						t.Errorf("Write() after Close = %v, want net.ErrClosed", err)
					}
				}
				if line == "handler" {
					finish()
					return false
				}
				c.Go(func(j jobs.Job) error {
					j.Sleep(time.Millisecond)
					finish()
					return nil
				})
				return true
			})})
			c := h.dial()
			send(t, c, line+"\n")
			got, err := io.ReadAll(c)
			if want := bytes.Repeat([]byte("0123456789abcdef"), 512<<10); err != nil || !bytes.Equal(got, want) {
				t.Errorf("ReadAll() = %d bytes, %v, want the %d written, nil", len(got), err, len(want))
			}
		})
	}
}

// TestPeerLeaves: a connection that ends cancels its job, and Closed is called
// once that has unwound.
func TestPeerLeaves(t *testing.T) {
	begun, closed := make(chan struct{}, 1), make(chan int, 1)
	s := &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
		c.Go(func(j jobs.Job) error {
			begun <- struct{}{}
			defer c.SetContext("unwound")
			return j.Sleep(time.Hour)
		})
		return true
	})}
	s.Closed = func(c *jobevio.Conn, err error) {
		if c.Context() != "unwound" {
			t.Error("Closed was called before the job has unwound")
		}
		closed <- c.Live()
	}
	h := start(t, s)
	for _, reset := range []bool{false, true} {
		c := h.dial()
		send(t, c, "pause\n")
		receive(t, begun)
		if reset {
			c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
		if n := receive(t, closed); n != 0 {
			t.Errorf("%d live jobs, want 0", n)
		}
	}
	if errs := h.failed(); len(errs) != 0 {
		t.Errorf("Failed was told %v, want nothing", errs)
	}
}

// TestRefusedAddresses: those that a Wake does not reach, or for ever.
func TestRefusedAddresses(t *testing.T) {
	for _, addr := range []string{"udp://127.0.0.1:0", "udp4://127.0.0.1:0", "tcp-net://127.0.0.1:0"} {
		err := new(jobevio.Server).Serve(t.Context(), "tcp://127.0.0.1:0", addr)
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Serve(%s) = %v, want ErrUnsupported", addr, err)
		}
	}
	if err := new(jobevio.Server).Serve(t.Context(), "tcp://127.0.0.1:no-port"); err == nil {
		t.Error("Serve of a bad address = nil, want an error")
	}
	if err := new(jobevio.Server).Serve(t.Context()); err == nil {
		t.Error("Serve of no address = nil, want an error")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	if err := new(jobevio.Server).Serve(ctx, "tcp://127.0.0.1:0"); err != errEnd {
		t.Errorf("Serve of an ended context = %v, want its cause", err)
	}
}

// TestFewDescriptors lowers the process's limit: connections are refused before
// an accept can fail, which would end the server.
func TestFewDescriptors(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	low := was
	low.Cur = uint64Of(low.Cur, len(fdtest.Numbers(t))+100)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
		fmt.Fprintln(c, line)
		return false
	})})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil { // for the clients
		t.Fatal(err)
	}
	served, refused := []net.Conn{}, 0
	for range 150 {
		c := h.dial()
		io.WriteString(c, "hello\n")
		if n, _ := c.Read(make([]byte, 6)); n == 6 {
			served = append(served, c)
		} else {
			refused++
		}
	}
	if len(served) == 0 || refused == 0 {
		t.Fatalf("%d connections served, %d refused, want some of both", len(served), refused)
	}
	for _, c := range served {
		send(t, c, "still there\n")
		expect(t, c, "still there\n")
	}
	if errs := h.failed(); len(errs) != refused || errs[0] != jobevio.ErrDescriptors {
		t.Errorf("Failed was told %d times, the first %v, want %d times ErrDescriptors", len(errs), errs[:min(len(errs), 1)], refused)
	}
}

func uint64Of[T uint64 | int64](_ T, n int) T { return T(n) }

// TestAcceptFails has an accept fail: Serve says so, where evio says nothing.
func TestAcceptFails(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
		fmt.Fprintln(c, line)
		return false
	})})
	c := h.dial()
	send(t, c, "hello\n")
	expect(t, c, "hello\n")
	fd := fdtest.Socket(t)
	addr := h.addr.(*net.TCPAddr)
	low := was
	low.Cur = uint64Of(low.Cur, 0)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	unix.Connect(fd.Num(), &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}})
	receive(t, h.done)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if h.err != jobevio.ErrStopped {
		t.Errorf("Serve() = %v, want ErrStopped", h.err)
	}
	h.err = errEnd // stop has nothing to say
}

// TestOneJobAtATime: a second one is refused, and none begins after the end.
func TestOneJobAtATime(t *testing.T) {
	h := start(t, &jobevio.Server{Data: lines(func(c *jobevio.Conn, line string) bool {
		c.Go(func(j jobs.Job) error {
			if err := j.Sleep(0); err != nil {
				return err
			}
			if _, err := c.Go(func(jobs.Job) error { return nil }); err != waitctx.ErrBusy {
				t.Errorf("Go() in a job = %v, want ErrBusy", err)
			}
			c.Close()
			if _, err := c.Read(jobs.Job{}, nil); err == nil {
				t.Error("Read() outside a job = nil, want an error")
			}
			return nil
		})
		return true
	})})
	c := h.dial()
	send(t, c, "x\n")
	if b, err := io.ReadAll(c); len(b) != 0 || err != nil {
		t.Errorf("ReadAll() = %q, %v, want nothing, nil", b, err)
	}
}
