//go:build linux

package epoll

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Sleeps begin to be held once one ends soon after the one before, unless the
// last ones that were held were for nothing, or pollers would use up the processors.
func TestHoldingBegins(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name   string
		ends   []time.Duration // of sleeps
		until  time.Duration
		others int32 // pollers that are open
		want   bool
	}{
		{name: "one sleep", ends: []time.Duration{time.Hour}},
		{name: "far between", ends: []time.Duration{time.Hour, time.Hour + brisk}},
		{name: "soon after one another", ends: []time.Duration{time.Hour, time.Hour + brisk - 1}, want: true},
		{name: "in a pause", ends: []time.Duration{ms, ms + 1, ms + 2}, until: 2 * ms},
		{name: "after a pause", ends: []time.Duration{ms, 2 * ms, 2*ms + 1}, until: 2 * ms, want: true},
		{name: "one for each processor", ends: []time.Duration{ms, ms + 1}, others: int32(runtime.GOMAXPROCS(0)), want: true},
		{name: "more than processors", ends: []time.Duration{ms, ms + 1}, others: int32(runtime.GOMAXPROCS(0)) + 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHolding(t)
			h.until = tc.until
			pollers.Add(tc.others)
			defer pollers.Add(-tc.others)
			for _, end := range tc.ends {
				h.begin(end)
			}
			if h.on != tc.want {
				t.Errorf("after sleeps that ended at %v: on = %v, want %v", tc.ends, h.on, tc.want)
			}
		})
	}
}

// With each tick one sleep is not held; and none is, once they last too long.
func TestHoldingEnds(t *testing.T) {
	for _, tc := range []struct {
		sleeps int
		on     bool
		until  time.Duration
	}{
		{sleeps: enough, on: true},
		{sleeps: 1, until: time.Hour + pause},
		{sleeps: 0}, // busy all the time
	} {
		h := newHolding(t)
		h.on, h.sleeps = true, tc.sleeps
		h.tick(time.Hour)
		if h.on != tc.on || h.until != tc.until || !h.pass {
			t.Errorf("tick after %d sleeps: on = %v until %v, pass = %v, want %v, %v, true", tc.sleeps, h.on, h.until, h.pass, tc.on, tc.until)
		}
		if tc.on && h.sleeps != 0 {
			t.Errorf("tick after %d sleeps left %d of them", tc.sleeps, h.sleeps)
		}
	}
}

func newHolding(t *testing.T) *holding {
	t.Helper()
	h := &holding{}
	if err := h.timer.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.timer.close() })
	return h
}

// A loop that is woken every 100 microseconds has its sleeps held. It goes on to
// let others run, and holds none once nothing comes any more, so that a timeout
// ends a Wait also then; all that in a set that was built anew, too.
func TestSleepsAreHeld(t *testing.T) {
	for _, rebuild := range []bool{false, true} {
		p, err := New()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if rebuild {
			if err := p.rebuildLocked(); err != nil {
				t.Fatal(err)
			}
		}
		source := timer(t, 100*time.Microsecond)
		defer unix.Close(source)
		watch(t, p, source)
		dst := make([]waitctx.Event, 1)
		passes, held := 0, 0
		for end := time.Now().Add(10 * time.Second); passes < 10 && time.Now().Before(end); {
			before := p.held
			p.parked.asked = 0
			if _, err := p.Wait(dst, -1); err != nil {
				t.Fatal(err)
			}
			drain(t, source)
			if before.on && p.held.sleeps > before.sleeps {
				held++
			}
			if before.on && p.held.on && p.parked.asked > 0 {
				passes++
			}
		}
		if held == 0 || passes < 10 {
			t.Fatalf("rebuild = %v: %d sleeps were held and %d not, want some and 10", rebuild, held, passes)
		}
		set(t, source, 0)
		start := time.Now()
		if n, err := p.Wait(dst, 50*time.Millisecond); n != 0 || err != nil || time.Since(start) < 50*time.Millisecond {
			t.Errorf("rebuild = %v: Wait(50ms) = %d, %v after %v, want 0, nil after 50ms", rebuild, n, err, time.Since(start))
		}
		if p.held.on {
			t.Errorf("rebuild = %v: sleeps are still held though nothing comes", rebuild)
		}
	}
}

// What a tick has told is for one sleep.
func TestOneSleepOfATickIsNotHeld(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	source := timer(t, 5*time.Millisecond)
	defer unix.Close(source)
	watch(t, p, source)
	p.held.on, p.held.pass = true, true // and the ticker stands still
	for i := 0; i < 3; {
		held := p.held.sleeps
		p.parked.asked = 0
		if n, err := p.Wait(make([]waitctx.Event, 1), -1); n != 1 || err != nil {
			t.Fatalf("Wait() = %d, %v, want 1, nil", n, err)
		}
		drain(t, source)
		held, parked := p.held.sleeps-held, p.parked.asked > 0
		if held == 0 && !parked {
			continue // this one did not have to sleep
		}
		if parked != (i == 0) {
			t.Errorf("sleep %d: parked = %v, want %v", i, parked, i == 0)
		}
		i++
	}
}

// A tick is nothing that a Wait without room returns for.
func TestATickIsNoEvent(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.held.timer.set(time.Millisecond)
	start := time.Now()
	if n, err := p.Wait(nil, 30*time.Millisecond); n != 0 || err != nil || time.Since(start) < 30*time.Millisecond {
		t.Errorf("Wait(nil, 30ms) = %d, %v after %v, want 0, nil after 30ms", n, err, time.Since(start))
	}
}

// A loop on the only processor that always finds something, having been parked
// before, must not keep others from running: the monitor, at rest since, would
// not look for a minute.
func TestABusyLoopLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	source := timer(t, 100*time.Millisecond)
	defer unix.Close(source)
	watch(t, p, source)
	other := os.NewFile(uintptr(timer(t, 150*time.Millisecond)), "timer")
	defer other.Close()
	var ran atomic.Bool
	done := make(chan error)
	go func() {
		_, err := other.Read(make([]byte, 8))
		ran.Store(true)
		done <- err
	}()
	dst := make([]waitctx.Event, 1)
	for end := time.Now().Add(15 * time.Second); !ran.Load() && time.Now().Before(end); {
		if _, err := p.Wait(dst, -1); err != nil { // it is not drained
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

func watch(t *testing.T, p *Poller, fd int) {
	t.Helper()
	add := waitctx.Change{Op: waitctx.OpAdd, ID: 1, FD: waitctx.FD(fd), Interest: waitctx.Readable, Token: 1}
	if err := p.Apply([]waitctx.Change{add}); err != nil {
		t.Fatal(err)
	}
}

// timer returns a timerfd(2) that is readable every so often.
func timer(t *testing.T, every time.Duration) int {
	t.Helper()
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	set(t, fd, every)
	return fd
}

func set(t *testing.T, fd int, every time.Duration) {
	t.Helper()
	spec := unix.NsecToTimespec(int64(every))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: spec, Value: spec}, nil); err != nil {
		t.Fatal(err)
	}
}

func drain(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Read(fd, make([]byte, 8)); err != nil && err != unix.EAGAIN {
		t.Fatal(err)
	}
}
