//go:build linux

package epoll

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"bide/internal/netpark"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Sleeps begin to be held unless the last ones were for nothing, or pollers would
// use up the processors.
func TestHoldingBegins(t *testing.T) {
	processors := int32(runtime.GOMAXPROCS(0))
	for _, tc := range []struct {
		name    string
		until   time.Duration
		pollers int32
		want    bool
	}{
		{name: "in a rest", until: time.Hour + 1},
		{name: "after a rest", until: time.Hour, want: true},
		{name: "one for each processor", pollers: processors, want: true},
		{name: "more than processors", pollers: processors + 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHolding(t, tc.pollers)
			h.until = tc.until
			if h.begin(time.Hour); h.on != tc.want || ticks(t, h) != tc.want {
				t.Errorf("on = %v, and the ticker runs: %v, want %v", h.on, ticks(t, h), tc.want)
			}
		})
	}
}

// With each tick one sleep is not held; and none is, once they last too long.
func TestHoldingEnds(t *testing.T) {
	for _, tc := range []struct {
		sleeps  int
		pollers int32
		on      bool
		until   time.Duration
	}{
		{sleeps: minHeldPerTick, on: true},
		{sleeps: 1, until: time.Hour + restWithoutHold},
		{sleeps: 0}, // busy all the time
		{sleeps: minHeldPerTick, pollers: int32(runtime.GOMAXPROCS(0)) + 1, until: time.Hour + restWithoutHold},
	} {
		h := newHolding(t, tc.pollers)
		h.on, h.sleeps = true, tc.sleeps
		h.tick(time.Hour)
		if h.on != tc.on || ticks(t, h) != tc.on || h.until != tc.until || !h.pass || h.sleeps != 0 {
			t.Errorf("a tick after %d sleeps, with %d pollers: %+v, want on %v, until %v, a pass and no sleeps",
				tc.sleeps, tc.pollers, *h, tc.on, tc.until)
		}
	}
}

// ticks reports whether a tick is to come, or has come.
func ticks(t *testing.T, h *holding) bool {
	t.Helper()
	var spec unix.ItimerSpec
	if err := unix.TimerfdGettime(h.timer.FD, &spec); err != nil {
		t.Fatal(err)
	}
	n, _ := unix.Read(h.timer.FD, make([]byte, 8))
	return n > 0 || spec.Value.Nano() > 0
}

// newHolding returns one among so many pollers.
func newHolding(t *testing.T, among int32) *holding {
	t.Helper()
	h := &holding{}
	if err := h.timer.Open(); err != nil {
		t.Fatal(err)
	}
	before := pollers.Swap(among)
	t.Cleanup(func() {
		pollers.Store(before)
		h.timer.Close()
	})
	return h
}

// A sleep that ends soon after another one has the next ones held.
func TestASleepBegins(t *testing.T) {
	p := newPoller(t)
	source := newSource(t, time.Millisecond)
	watch(t, p, source)
	for end := time.Now().Add(10 * time.Second); !p.held.on && time.Now().Before(end); {
		p.held.woke = time.Since(started) + time.Hour // so that it is soon on any machine
		wait(t, p, source)
	}
	if !p.held.on {
		t.Error("no sleeps are held")
	}
	p = newPoller(t)
	p.held.woke = time.Since(started) - time.Hour
	if p.wokeLocked(); p.held.on {
		t.Error("sleeps are held though the last one ended an hour ago")
	}
}

// What a tick has told is for one sleep.
func TestOneSleepOfATickIsNotHeld(t *testing.T) {
	p := newPoller(t)
	source := newSource(t, 5*time.Millisecond)
	watch(t, p, source)
	p.held.on, p.held.pass = true, true // and the ticker stands still
	for i := 0; i < 3; {
		before := p.held.sleeps
		p.parked.asked = 0
		wait(t, p, source)
		held, parked := p.held.sleeps > before, p.parked.asked > 1
		if !held && !parked {
			if i == 0 && !p.held.pass {
				t.Fatal("a Wait that did not have to sleep has used up the pass")
			}
			continue
		}
		if parked != (i == 0) {
			t.Errorf("sleep %d: parked = %v, want %v", i, parked, i == 0)
		}
		i++
	}
}

// Ticks come also in a set that was built anew meanwhile, and when nothing else
// comes any more one ends it.
func TestTicks(t *testing.T) {
	for _, rebuild := range []bool{false, true} {
		t.Run(fmt.Sprintf("rebuild=%v", rebuild), func(t *testing.T) {
			p := newPoller(t)
			source := newSource(t, time.Hour)
			p.held.on = true
			p.held.timer.Set(tickEvery)
			if rebuild {
				if err := p.rebuildLocked(); err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(10 * time.Second); p.held.on && time.Now().Before(end); {
				wait(t, p, source)
			}
			if p.held.on {
				t.Error("no tick in 10s")
			}
		})
	}
}

// A held sleep has no timeout of its own, and the runtime does not know of it.
// What ends any other ends it too.
func TestAHeldSleepEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		end     func(p *Poller)
		want    error
	}{
		{"timeout", 20 * time.Millisecond, func(*Poller) {}, nil},
		{"timeout with an alarm before", 20 * time.Millisecond, func(p *Poller) { p.alarm.SetFor(time.Since(started), time.Since(started)+time.Millisecond) }, nil},
		{"timeout, though the world is stopped before", 60 * time.Millisecond, func(*Poller) { later(runtime.GC) }, nil},
		{"Wake", -1, func(p *Poller) { later(func() { p.Wake() }) }, nil},
		{"Close", -1, func(p *Poller) { later(func() { p.Close() }) }, waitctx.ErrClosed},
		{"Wake after the world was stopped", -1, func(p *Poller) {
			p.held.timer.Set(time.Second) // for want of signals
			later(func() { runtime.GC(); p.Wake() })
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPoller(t)
			p.held.on, p.held.sleeps = true, 0
			tc.end(p)
			start := time.Now()
			n, err := p.Wait(make([]waitctx.Event, 1), tc.timeout)
			if n != 0 || err != tc.want || time.Since(start) < tc.timeout {
				t.Errorf("Wait(%v) = %d, %v after %v, want 0, %v", tc.timeout, n, err, time.Since(start), tc.want)
			}
		})
	}
}

// later calls fn when a Wait is likely to sleep.
func later(fn func()) { time.AfterFunc(20*time.Millisecond, fn) }

// Where a sandbox forbids timers, no sleeps are held, and a timeout is the kernel's.
func TestWithoutTimers(t *testing.T) {
	p := newPoller(t)
	for _, timer := range []*netpark.Timer{&p.held.timer, &p.alarm.Timer} {
		timer.Close()
		timer.FD = -1
	}
	if err := p.rebuildLocked(); err != nil {
		t.Fatalf("rebuild: %v", err)
	}
	p.held.begin(time.Hour)
	if p.held.on {
		t.Error("sleeps are held without a ticker")
	}
	for _, timeout := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
		start := time.Now()
		late := time.AfterFunc(20*time.Second, func() { p.Wake() })
		if n, err := p.Wait(make([]waitctx.Event, 1), timeout); n != 0 || err != nil || time.Since(start) < timeout {
			t.Errorf("Wait(%v) = %d, %v after %v, want 0, nil", timeout, n, err, time.Since(start))
		}
		if !late.Stop() {
			t.Errorf("Wait(%v) did not end for 20s", timeout)
		}
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}

// Nor does a Wait without room return for a tick or an early alarm.
func TestATickIsNoEvent(t *testing.T) {
	p := newPoller(t)
	p.held.timer.Set(time.Millisecond)
	p.alarm.SetFor(time.Since(started), time.Since(started)+2*time.Millisecond)
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
	p := newPoller(t)
	watch(t, p, newSource(t, 100*time.Millisecond)) // it is not drained
	other := os.NewFile(uintptr(rawSource(t, 150*time.Millisecond)), "timer")
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

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// wait is a Wait of 50 ms at most, after which the source is drained.
func wait(t *testing.T, p *Poller, source int) {
	t.Helper()
	if _, err := p.Wait(make([]waitctx.Event, 1), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Read(source, make([]byte, 8)); err != nil && err != unix.EAGAIN {
		t.Fatal(err)
	}
}

func watch(t *testing.T, p *Poller, fd int) {
	t.Helper()
	add := waitctx.Change{Op: waitctx.OpAdd, ID: 1, FD: waitctx.FD(fd), Interest: waitctx.Readable, Token: 1}
	if err := p.Apply([]waitctx.Change{add}); err != nil {
		t.Fatal(err)
	}
}

// newSource returns a timerfd(2) that is readable every so often.
func newSource(t *testing.T, every time.Duration) int {
	t.Helper()
	fd := rawSource(t, every)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// rawSource is newSource for who closes it.
func rawSource(t *testing.T, every time.Duration) int {
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
