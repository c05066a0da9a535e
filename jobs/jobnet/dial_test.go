package jobnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

func TestDial(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "tcp")
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, address := range []string{"127.0.0.1:" + port, "localhost:" + port, ":" + port} {
			c, err := jobnet.Dial(s.Scheduler, "tcp4", address)
			if err != nil {
				t.Fatalf("Dial(%q) = %v", address, err)
			}
			d, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if c.LocalAddr().String() != d.RemoteAddr().String() || c.RemoteAddr().String() != d.LocalAddr().String() {
				t.Errorf("addresses %v %v here, %v %v there", c.LocalAddr(), c.RemoteAddr(), d.LocalAddr(), d.RemoteAddr())
			}
			c.Close()
			d.Close()
		}
		l.Close()
		s.Stats() // a turn later the descriptor is closed
		c, err := jobnet.Dial(s.Scheduler, "tcp", l.Addr().String())
		var oe *net.OpError
		if c != nil || !errors.As(err, &oe) || oe.Op != "dial" || !errors.Is(err, errRefused) {
			t.Errorf("Dial() = %v, %v with nobody listening, want ECONNREFUSED", c, err)
		}
		if runtime.GOOS != "windows" { // whose error differs by version
			if _, err := jobnet.Dial(s.Scheduler, "unix", filepath.Join(t.TempDir(), "none")); !errors.Is(err, syscall.ENOENT) {
				t.Errorf("Dial() = %v without a socket there, want ENOENT", err)
			}
		}
		if _, err := jobnet.Dial(s.Scheduler, "tcp6", "127.0.0.1:1"); err == nil {
			t.Error("Dial() of an IPv4 address by tcp6 succeeded")
		}
	})
}

// A dial that the peer never answers ends when its job is canceled, and says so,
// whatever became of the addresses before. A listener whose backlog is full does not
// answer.
func TestDialIsCanceled(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "tcp")
		l.Close()
		s.Stats() // nobody listens there now
		silent, err := net.ResolveTCPAddr("tcp", neverAnswers(t))
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("why")
		var all []jobs.Job
		var ended []chan error
		for range 4 {
			ch := make(chan error, 1)
			ended = append(ended, ch)
			all = append(all, s.Go(func(j jobs.Job) error {
				c, err := jobnet.DialOne(j, l.Addr(), silent)
				if err == nil {
					c.Close()
				}
				ch <- err
				return nil
			}))
		}
		s.Stats()
		s.Stats()
		for _, j := range all {
			j.Cancel(why)
		}
		canceled := 0
		for _, ch := range ended {
			switch err := await(t, ch); {
			case errors.Is(err, why):
				canceled++
			case err != nil:
				t.Errorf("a dial ended with %v, want that its job was canceled", err)
			}
		}
		if canceled == 0 {
			t.Error("no dial was canceled")
		}
	})
}

// silent returns an address where a dial begins and does not end.
func (s loop) silent(t *testing.T) net.Addr {
	t.Helper()
	address := neverAnswers(t)
	for range 10 { // the first fill the backlog
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		c, err := jobnet.DialContext(ctx, s.Scheduler, "tcp", address)
		if err != nil {
			return err.(*net.OpError).Addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the peer answers each dial")
	return nil
}

// An address that does not answer leaves time for the next, if there is a deadline.
func TestDialSharesTheTime(t *testing.T) {
	defer jobnet.ShortenShare(50 * time.Millisecond)()
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "tcp")
		full := s.silent(t)
		err := s.do(t, func(j jobs.Job) error {
			j.SetDeadline(time.Now().Add(patience))
			if at, ok := j.Deadline(); !ok || time.Until(at) > patience {
				t.Errorf("Deadline() = %v, %v, want what was set", at, ok)
			}
			return j.Within(200*time.Millisecond, func() error {
				c, err := jobnet.DialOne(j, full, l.Addr())
				if err == nil {
					c.Close()
				}
				return err
			})
		})
		if err != nil {
			t.Errorf("a dial of an address that is silent and one that is not = %v", err)
		}
	})
}

// A scheduler that is closed during the lookup of a name closes the connection to
// be, like any other.
func TestDialIsClosed(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(context.Background())
	defer s.Close()
	asked, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	before := net.DefaultResolver
	defer func() { net.DefaultResolver = before }()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-release
		return nil, errors.New("no name server")
	}}
	ended := make(chan error, 1)
	go func() {
		_, err := jobnet.Dial(s, "tcp", "host.example:1")
		ended <- err
	}()
	await(t, asked)
	s.Close()
	if err := await(t, ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial() = %v, want net.ErrClosed", err)
	}
}

// A job that was stopped hears of that also where connect(2) need not wait.
func TestStoppedJobDoesNotDial(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		why := errors.New("why")
		for _, network := range []string{"tcp", "unix"} {
			l := s.listen(t, network)
			for want, stop := range map[error]func(jobs.Job){
				why:                    func(j jobs.Job) { j.Cancel(why) },
				os.ErrDeadlineExceeded: func(j jobs.Job) { j.SetDeadline(time.Now()) },
			} {
				err := s.do(t, func(j jobs.Job) error {
					for stop(j); j.Sleep(0) == nil; {
					}
					_, err := jobnet.DialIn(j, network, l.Addr().String())
					return err
				})
				var oe *net.OpError
				if !errors.As(err, &oe) || oe.Op != "dial" || !errors.Is(err, want) {
					t.Errorf("DialIn() of %s = %v, want a net.OpError with %v", network, err, want)
				}
			}
		}
	})
}

// lapsed checks that err tells of ctx's end as want does, which is package net's.
func lapsed(t *testing.T, ctx context.Context, err, want error) {
	t.Helper()
	var oe *net.OpError
	if !errors.As(err, &oe) || err.Error() != want.Error() || oe.Timeout() != want.(net.Error).Timeout() ||
		!errors.Is(want, ctx.Err()) || !errors.Is(err, ctx.Err()) || !errors.Is(err, context.Cause(ctx)) {
		t.Errorf("DialContext() = %#v, want %#v and the cause, %v", err, want, context.Cause(ctx))
	}
}

// The end of a context ends the dial, with the error that package net has.
func TestDialContextEnds(t *testing.T) {
	why := errors.New("why")
	eachBackend(t, func(t *testing.T, s loop) {
		address, full := neverAnswers(t), false
		for range 10 { // the first fill the backlog
			ctx, cancel := context.WithTimeoutCause(context.Background(), 50*time.Millisecond, why)
			defer cancel()
			c, err := jobnet.DialContext(ctx, s.Scheduler, "tcp", address)
			if full = err != nil; full {
				_, want := new(net.Dialer).DialContext(ctx, "tcp", address)
				lapsed(t, ctx, err, want)
				break
			}
			defer c.Close()
		}
		if !full {
			t.Fatal("the peer answers each dial")
		}
		s.idle(t)

		ctx, cancel := context.WithCancelCause(context.Background())
		ended := make(chan error, 1)
		go func() {
			_, err := jobnet.DialContext(ctx, s.Scheduler, "tcp", address)
			ended <- err
		}()
		for deadline := time.Now().Add(patience); s.Live() == 0; s.Stats() {
			if time.Now().After(deadline) {
				t.Fatal("the dial never began")
			}
		}
		cancel(why)
		_, want := new(net.Dialer).DialContext(ctx, "tcp", address)
		lapsed(t, ctx, await(t, ended), want)
		s.idle(t)
	})
}

// No loop need run to hear that the context has ended already.
func TestDialContextAfterTheEnd(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := jobnet.DialContext(ctx, s, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("DialContext() = %v, want context.Canceled", err)
	}
}

// endsLater is a context that has ended when it is asked for the second time.
type endsLater struct {
	context.Context
	asked int
}

func (c *endsLater) Err() error {
	if c.asked++; c.asked > 1 {
		return context.Canceled
	}
	return nil
}

// A connection that is there just as the context ends is closed.
func TestDialContextThatEndsAtTheEnd(t *testing.T) {
	s := newLoop(t, "")
	l := s.listen(t, "tcp")
	c, err := jobnet.DialContext(&endsLater{Context: context.Background()}, s.Scheduler, "tcp", l.Addr().String())
	if c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("DialContext() = %v, %v, want nil, context.Canceled", c, err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.SetReadDeadline(time.Now().Add(patience))
	if n, err := d.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read() = %d, %v of what was dialled, want 0, io.EOF", n, err)
	}
}

// A job's context, on another goroutine, limits the dial and does not have it done
// by the job.
func TestDialContextOfAJob(t *testing.T) {
	s := newLoop(t, "")
	l := s.listen(t, "tcp")
	if err := s.do(t, func(j jobs.Job) error {
		ctx := j.Context()
		c, err := jobs.Await(j, func(context.Context) (*jobnet.Conn, error) {
			return jobnet.DialContext(ctx, s.Scheduler, "tcp", l.Addr().String())
		})
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// Functions of Await may dial by name, though they take all of its goroutines.
func TestDialInAwait(t *testing.T) {
	s := loopOn(t, jobs.WithWorkers(1))
	l := s.listen(t, "tcp")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := s.Do(ctx, func(j jobs.Job) error {
		c, err := jobs.Await(j, func(ctx context.Context) (*jobnet.Conn, error) {
			return jobnet.DialContext(ctx, s.Scheduler, "tcp4", "localhost:"+port)
		})
		if err == nil {
			c.Close()
		}
		return err
	})
	if err != nil {
		t.Errorf("DialContext() = %v", err)
	}
}

// WriteIn of no job writes as a goroutine does.
func TestWriteInOfNoJob(t *testing.T) {
	s := newLoop(t, "")
	l := s.listen(t, "tcp")
	c, err := jobnet.Dial(s.Scheduler, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := c.WriteIn(jobs.Job{}, []byte("hello")); err != nil {
		t.Fatalf("WriteIn() = %v", err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(d, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v came, want hello", b, err)
	}
}
