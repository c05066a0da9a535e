//go:build linux

package iouring

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// ended is a Wait that has to end by itself.
func ended(t *testing.T, p *Poller, dst []waitctx.Event, timeout time.Duration) (n int, took time.Duration) {
	t.Helper()
	late := time.AfterFunc(20*time.Second, func() { p.Wake() })
	start := time.Now()
	n, err := p.Wait(dst, timeout)
	took = time.Since(start)
	if err != nil {
		t.Fatalf("Wait(%v) = %d, %v, want no error", timeout, n, err)
	}
	if !late.Stop() {
		t.Fatalf("Wait(%v) did not end for 20s", timeout)
	}
	return n, took
}

// A loop that has a timer pending blocks no thread, however near it is: other
// goroutines would wait until the runtime's monitor looks.
func TestParkWithATimeout(t *testing.T) {
	p := open(t)
	for timeout := time.Millisecond; ; timeout *= 4 { // may be over before a slow machine gets to sleep
		if n, took := ended(t, p, make([]waitctx.Event, 1), timeout); n != 0 || took < timeout {
			t.Fatalf("Wait(%v) = %d after %v, want 0", timeout, n, took)
		}
		if p.parked.asked > 1 {
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
	r, w := fdtest.Pipe(t)
	p.add(t, r, 1)
	dst := make([]waitctx.Event, 1)
	for _, tc := range []struct{ earlier, timeout, ready time.Duration }{
		{10 * time.Millisecond, -1, 30 * time.Millisecond},
		{10 * time.Millisecond, time.Hour, 30 * time.Millisecond},
		{10 * time.Millisecond, 30 * time.Millisecond, 10 * time.Second},
		{time.Hour, 10 * time.Millisecond, 10 * time.Second},
		{-1, 10 * time.Millisecond, 10 * time.Second},
	} {
		told := make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { w.Write("x"); close(told) })
		ended(t, p, dst, tc.earlier)
		<-told
		r.Drain()
		tell := time.AfterFunc(tc.ready, func() { w.Write("x") })
		n, took := ended(t, p, dst, tc.timeout)
		tell.Stop()
		early := tc.timeout < 0 || tc.ready < tc.timeout // what is ready comes first
		if early != (n == 1) || n == 0 && took < tc.timeout {
			t.Errorf("after a Wait(%v), Wait(%v) = %d in %v", tc.earlier, tc.timeout, n, took)
		}
		r.Drain()
	}
}

// Events come to a parked Wait whichever thread it is on. Some of these are asleep
// when the pipe is written to, most of them on any machine.
func TestAParkedWaitIsTold(t *testing.T) {
	p := open(t)
	r, w := fdtest.Pipe(t)
	p.add(t, r, 1)
	for range 100 {
		const limit = 10 * time.Second
		start := time.Now()
		got := make(chan int, 1)
		go func() {
			n, _ := p.Wait(make([]waitctx.Event, 1), limit)
			got <- n
		}()
		for range 100 {
			runtime.Gosched()
		}
		w.Write("x")
		if n, took := <-got, time.Since(start); n != 1 || took >= limit {
			t.Fatalf("Wait(%v) = %d after %v, want 1 before its end", limit, n, took)
		}
		r.Drain()
	}
}

// What has completed already, or does when it is handed over, is told without a
// park.
func TestNoParkForWhatIsReady(t *testing.T) {
	p := open(t)
	r, w := fdtest.Pipe(t)
	p.add(t, r, 1)
	w.Write("x")
	for range 3 {
		p.parked.asked = 0
		if n, _ := ended(t, p, make([]waitctx.Event, 1), -1); n != 1 || p.parked.asked != 0 {
			t.Errorf("Wait() = %d after %d looks in a park, want 1 without one", n, p.parked.asked)
		}
	}
}

// Where the netpoller or a sandbox does not let it park, Wait blocks.
func TestWithoutParking(t *testing.T) {
	for name, spoil := range map[string]func(*Poller){
		"netpoller":       func(p *Poller) { p.parked.off = true },
		"timerfd_settime": func(p *Poller) { unix.Close(p.parked.alarm.FD); p.parked.alarm.FD = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			if name != "netpoller" {
				ended(t, p, nil, 5*time.Millisecond)
				for !p.parked.Opened() { // a slow machine
					ended(t, p, nil, 50*time.Millisecond)
				}
			}
			spoil(p)
			before := p.stats.Enters
			for _, timeout := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
				if n, took := ended(t, p, make([]waitctx.Event, 1), timeout); n != 0 || took < timeout {
					t.Errorf("Wait(%v) = %d after %v, want 0", timeout, n, took)
				}
			}
			if n := p.stats.Enters - before; n > 10 || !p.parked.off {
				t.Errorf("two timeouts entered the kernel %d times, parking off = %v; want 10 at most, true", n, p.parked.off)
			}
			time.AfterFunc(10*time.Millisecond, func() { p.Wake() })
			ended(t, p, make([]waitctx.Event, 1), -1)
		})
	}
}

// A loop on the only processor that always finds something, having been parked
// before, must not keep others from running: the monitor, at rest since, would
// not look for a minute.
func TestABusyLoopLetsOthersRun(t *testing.T) {
	p := open(t)
	runtime.UnlockOSThread()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	timer := func(every time.Duration) int {
		fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		spec := unix.NsecToTimespec(int64(every))
		if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: spec, Value: spec}, nil); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	source := timer(100 * time.Millisecond) // it is not drained
	defer unix.Close(source)
	if err := p.Apply([]waitctx.Change{{Op: waitctx.OpAdd, ID: 1, FD: waitctx.FD(source), Interest: waitctx.Readable}}); err != nil {
		t.Fatal(err)
	}
	other := os.NewFile(uintptr(timer(150*time.Millisecond)), "timer")
	defer other.Close()
	var ran atomic.Bool
	done := make(chan error)
	go func() {
		_, err := other.Read(make([]byte, 8))
		ran.Store(true)
		done <- err
	}()
	for end := time.Now().Add(15 * time.Second); !ran.Load() && time.Now().Before(end); {
		if _, err := p.Wait(make([]waitctx.Event, 1), -1); err != nil {
			t.Fatal(err)
		}
	}
	if !ran.Load() {
		t.Error("another goroutine, whose file was ready, did not run for 15s")
	}
	if err := <-done; err != nil {
		t.Errorf("Read() = %v, want nil", err)
	}
}
