//go:build linux

package epoll_test

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/poller"
	"bide/poller/epoll"
	"bide/poller/pollertest"
	"bide/poller/pollfd"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

var _ poller.Poller = (*epoll.Poller)(nil)

func TestPoller(t *testing.T) { pollertest.Test(t, open) }

func FuzzPoller(f *testing.F) {
	pollertest.Fuzz(f, open, func(t *testing.T) poller.Poller {
		p, err := pollfd.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

func open[T testing.TB](t T) poller.Poller {
	t.Helper()
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A hung-up file is ready for ever. Once nobody listens the kernel is told so, and
// the set holds nothing that would end its next sleep.
func TestTheKernelIsToldThatNobodyListens(t *testing.T) {
	p := open(t)
	defer p.Close()
	r, w := fdtest.Pipe(t)
	c := waitctx.Change{Op: waitctx.OpAdd, ID: 1, FD: r.FD(), Interest: waitctx.Readable}
	if err := p.Apply([]waitctx.Change{c}); err != nil {
		t.Fatalf("Apply() = %v, want nil", err)
	}
	w.HangUp()
	dst := make([]waitctx.Event, 1)
	if n, err := p.Wait(dst, -1); n != 1 || err != nil {
		t.Fatalf("Wait() = %d, %v after a hang-up, want 1, nil", n, err)
	}
	p.Suppress(c.FD, c.ID)
	if n, err := p.Wait(dst, 0); n != 0 || err != nil {
		t.Fatalf("Wait() = %d, %v, want 0, nil", n, err)
	}
	set := []unix.PollFd{{Fd: int32(epoll.Set(p.(*epoll.Poller))), Events: unix.POLLIN}}
	if n, err := unix.Poll(set, 0); n != 0 || err != nil {
		t.Errorf("poll(2) of the set = %d, %v, want 0, nil", n, err)
	}
}

// A number that was closed without a delete may be anything by the time of the
// delete, also what epoll refuses, or the poller's own.
func TestDeleteOfANumberThatIsSomethingElse(t *testing.T) {
	for _, name := range []string{"file", "set"} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			defer p.Close()
			outer, _ := p.FD()
			r, _ := fdtest.Pipe(t)
			c := waitctx.Change{Op: waitctx.OpAdd, ID: 1, FD: r.FD(), Interest: waitctx.Readable}
			if err := p.Apply([]waitctx.Change{c}); err != nil {
				t.Fatalf("Apply() = %v, want nil", err)
			}
			from := epoll.Set(p.(*epoll.Poller))
			if name == "file" {
				f, err := os.Open(os.DevNull)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				from = int(f.Fd())
			}
			if err := unix.Dup3(from, r.Num(), unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			c.Op = waitctx.OpDelete
			if err := p.Apply([]waitctx.Change{c}); err != nil {
				t.Errorf("Apply(delete) = %v, want nil", err)
			}
			if again, _ := p.FD(); again != outer {
				t.Errorf("FD() = %d, then %d, want the same", outer, again)
			}
		})
	}
}

// A delete lets go whatever the kernel answers: what it kept is of nobody, and goes
// with the first event of it.
func TestDeleteThatTheKernelRefuses(t *testing.T) {
	p := open(t).(*epoll.Poller)
	defer p.Close()
	r, w := fdtest.Pipe(t)
	c := waitctx.Change{Op: waitctx.OpAdd, ID: 1, FD: r.FD(), Interest: waitctx.Readable}
	if err := p.Apply([]waitctx.Change{c}); err != nil {
		t.Fatalf("Apply() = %v, want nil", err)
	}
	c.Op = waitctx.OpDelete
	var setup, err, again error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends
		if setup = fdtest.Forbid(unix.SYS_EPOLL_CTL, unix.EIO); setup == nil {
			err = p.Apply([]waitctx.Change{c})
			again = p.Apply([]waitctx.Change{c})
		}
	}()
	<-done
	if setup != nil {
		t.Skipf("seccomp: %v", setup)
	}
	if err != nil || !errors.Is(again, waitctx.ErrNotFound) {
		t.Errorf("Apply(delete) = %v, and once more %v, want nil and ErrNotFound", err, again)
	}
	w.Write("x")
	if n, err := p.Wait(make([]waitctx.Event, 1), 0); n != 0 || err != nil {
		t.Errorf("Wait() = %d, %v after the delete, want 0, nil", n, err)
	}
	if s := p.Stats(); s.Rebuilds != 1 || s.Stale != 1 {
		t.Errorf("Stats() = %+v, want 1 rebuild after 1 stale event", s)
	}
}

// A loop that has a timer pending blocks no thread either, however near it is: other
// goroutines would wait until the runtime's monitor looks.
func TestParkWithATimeout(t *testing.T) {
	p := open(t)
	defer p.Close()
	for timeout := time.Millisecond; ; timeout *= 4 { // may be over before a slow machine gets to sleep
		epoll.Park(p.(*epoll.Poller))
		late := time.AfterFunc(20*time.Second, func() { p.Wake() })
		if n, err := p.Wait(make([]waitctx.Event, 1), timeout); n != 0 || err != nil {
			t.Fatalf("Wait(%v) = %d, %v, want 0, nil", timeout, n, err)
		}
		if !late.Stop() {
			t.Fatalf("Wait(%v) did not end for 20s", timeout)
		}
		if epoll.Parked(p.(*epoll.Poller)) {
			break
		}
		if timeout > 5*time.Second {
			t.Fatalf("Wait(%v) did not park", timeout)
		}
	}
}

// A Wait leaves an alarm behind, of which a later one must not hear, nor miss its
// own.
func TestAlarms(t *testing.T) {
	p := open(t)
	defer p.Close()
	dst := make([]waitctx.Event, 1)
	pipe, end := fdtest.Pipe(t)
	add := waitctx.Change{Op: waitctx.OpAdd, ID: 2, FD: pipe.FD(), Interest: waitctx.Readable, Token: 2}
	if err := p.Apply([]waitctx.Change{add}); err != nil {
		t.Fatalf("Apply() = %v, want nil", err)
	}
	for _, tc := range []struct{ earlier, timeout, ready time.Duration }{
		{10 * time.Millisecond, -1, 30 * time.Millisecond},
		{10 * time.Millisecond, time.Hour, 30 * time.Millisecond},
		{time.Hour, 10 * time.Millisecond, 10 * time.Second},
		{-1, 10 * time.Millisecond, 10 * time.Second},
		{10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Second},
	} {
		told := make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { end.Write("x"); close(told) })
		if _, err := p.Wait(dst, tc.earlier); err != nil {
			t.Fatalf("Wait(%v) = %v, want nil", tc.earlier, err)
		}
		<-told
		pipe.Drain()
		tell := time.AfterFunc(tc.ready, func() { end.Write("x") })
		began := time.Now()
		n, err := p.Wait(dst, tc.timeout)
		took := time.Since(began)
		tell.Stop()
		early := tc.timeout < 0 || tc.ready < tc.timeout // what is ready comes first
		if err != nil || early != (n == 1) || n == 0 && took < tc.timeout {
			t.Errorf("after a Wait(%v), Wait(%v) = %d, %v, in %v", tc.earlier, tc.timeout, n, err, took)
		}
		pipe.Drain()
	}
}

// A Wait that parks watches the set there is, also after that was built anew.
func TestParkFollowsTheSet(t *testing.T) {
	p := open(t)
	defer p.Close()
	apply := func(c waitctx.Change) {
		t.Helper()
		if err := p.Apply([]waitctx.Change{c}); err != nil {
			t.Fatalf("Apply() = %v, want nil", err)
		}
	}
	live, liveEnd := fdtest.Pipe(t)
	apply(waitctx.Change{Op: waitctx.OpAdd, ID: 2, FD: live.FD(), Interest: waitctx.Readable, Token: 2})
	// Some of these Waits are asleep when the pipe is written to, most of them
	// on any machine.
	told := func() {
		t.Helper()
		for range 50 {
			got := make(chan waitctx.Token, 1)
			go func() {
				dst := make([]waitctx.Event, 1)
				epoll.Park(p.(*epoll.Poller))
				p.Wait(dst, -1)
				got <- dst[0].Token
			}()
			for range 100 {
				runtime.Gosched()
			}
			liveEnd.Write("x")
			select {
			case token := <-got:
				if token != 2 {
					t.Fatalf("Wait told token %d, want 2", token)
				}
			case <-time.After(10 * time.Second):
				p.Wake()
				t.Fatal("Wait slept through an event")
			}
			live.Drain()
		}
	}
	told()
	r, w := fdtest.Pipe(t)
	c := waitctx.Change{Op: waitctx.OpAdd, ID: 1, FD: r.FD(), Interest: waitctx.Readable, Token: 1}
	apply(c)
	r.Dup()
	r.Close()
	c.Op = waitctx.OpDelete
	apply(c)
	w.Write("x")
	p.Wait(make([]waitctx.Event, 1), 0)
	if n := p.(*epoll.Poller).Stats().Rebuilds; n != 1 {
		t.Fatalf("Rebuilds = %d, want 1", n)
	}
	told()
}

// A set is built anew to be rid of a ghost, which takes a descriptor. Without
// one to spare, Wait goes on as well as it can.
func TestGhostWithoutADescriptorToSpare(t *testing.T) {
	p := open(t)
	defer p.Close()
	add := func(f *fdtest.File, id waitctx.ID) waitctx.Change {
		c := waitctx.Change{Op: waitctx.OpAdd, ID: id, FD: f.FD(), Interest: waitctx.Readable, Token: waitctx.Token(id)}
		if err := p.Apply([]waitctx.Change{c}); err != nil {
			t.Fatalf("Apply() = %v, want nil", err)
		}
		c.Op = waitctx.OpDelete
		return c
	}
	r, w := fdtest.Pipe(t)
	live, liveEnd := fdtest.Pipe(t)
	gone := add(r, 1)
	add(live, 2)
	r.Dup()
	r.Close()
	if err := p.Apply([]waitctx.Change{gone}); err != nil {
		t.Fatalf("Apply() = %v, want nil", err)
	}
	w.Write("x")

	restore := noDescriptors(t)
	dst := make([]waitctx.Event, 1)
	if n, err := p.Wait(dst, 0); n != 0 || err != nil {
		t.Errorf("Wait() = %d, %v, want 0, nil", n, err)
	}
	liveEnd.Write("x")
	told := 0
	for range 10 { // the ghost may take every other place
		n, err := p.Wait(dst, 0)
		if err != nil || n > 0 && dst[0].Token != 2 {
			t.Fatalf("Wait() = %d, %v with token %d, want token 2", n, err, dst[0].Token)
		}
		told += n
	}
	if told == 0 {
		t.Error("10 Waits did not tell what is ready beside the ghost")
	}
	if n := p.(*epoll.Poller).Stats().Rebuilds; n != 0 {
		t.Errorf("Rebuilds = %d without a descriptor, want 0", n)
	}
	restore()
	live.Drain()
	start := time.Now()
	if n, err := p.Wait(dst, 20*time.Millisecond); n != 0 || err != nil || time.Since(start) < 20*time.Millisecond {
		t.Errorf("Wait() = %d, %v after %v, want 0, nil after 20ms", n, err, time.Since(start))
	}
	if n := p.(*epoll.Poller).Stats().Rebuilds; n != 1 {
		t.Errorf("Rebuilds = %d, want 1", n)
	}
}

// noDescriptors makes every open fail with EMFILE until it is undone.
func noDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("getrlimit: %v", err)
	}
	set := func(l unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
			t.Fatalf("setrlimit: %v", err)
		}
	}
	set(unix.Rlimit{Cur: 0, Max: limit.Max})
	restore = sync.OnceFunc(func() { set(limit) })
	t.Cleanup(restore)
	return restore
}
