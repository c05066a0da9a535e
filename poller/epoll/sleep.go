//go:build linux

package epoll

import (
	"runtime"
	"sync/atomic"
	"time"

	"bide/internal/netpark"

	"golang.org/x/sys/unix"
)

const (
	briskSleep      = 250 * time.Microsecond // sleeps that end so soon after one another are held
	tickEvery       = 2 * time.Millisecond   // one is not, meanwhile
	minHeldPerTick  = 2                      // for the next ones to be held too
	restWithoutHold = 100 * time.Millisecond // after a sleep that was held from tick to tick
	eventsPerCheck  = 64                     // whether the monitor is to be woken
)

var started = time.Now()

var pollers atomic.Int32 // how many are open

// holding has a Wait sleep without Go's scheduler hearing of it, and so keep its
// processor.
//
// Of a blocking system call the runtime's monitor takes the processor away, and
// looks out for the next one every 20 microseconds; from a rest it is woken by
// the first. With one processor that costs more than a little traffic does, and
// parking is three more system calls. But who holds a processor keeps it from
// others, who may be what the sleep waits for. So sleeps are held only while
// they are short, and not by more pollers than there are processors. A tick
// ends a held sleep, and the next one is not held, so that others have their
// turn and Go's netpoller is asked. One that lasted from tick to tick was for
// nothing: there is none then for a while.
//
// A signal of the runtime's ends a held sleep, such as one to stop the world. If
// it sends none, by GODEBUG=asyncpreemptoff=1, that has to wait for the tick.
type holding struct {
	on     bool // sleeps are held, but not without a tick to come
	pass   bool // but for the next one
	sleeps int  // held since the last tick
	timer  netpark.Timer
	woke   time.Duration // when the last sleep ended that was heard of, since started
	until  time.Duration // none is held before, since started
}

// slept says how a sleep was spent.
type slept uint8

const (
	sleptNot   slept = iota // there was something
	sleptHeld               // unknown to the runtime
	sleptHeard              // by the runtime, so that others had the processor
)

// sleep waits until the set has something, or until rest has passed unless that
// is negative; it may return before with nothing.
//
// The end of a timeout is an event of the set, but where there is no alarm. The
// runtime's own timers are late by up to a millisecond.
func (p *Poller) sleep(size uintptr, now, rest time.Duration) (rows int, how slept, errno unix.Errno) {
	h, k := &p.held, &p.parked
	endless := rest < 0 || p.alarm.SetFor(now, now+min(rest, maxSleep))
	if h.on && !h.pass && endless {
		if rows, errno = p.hold(size); errno == 0 {
			h.sleeps++
		}
		return rows, sleptHeld, errno
	}
	if !k.Opened() && !k.off {
		k.off = k.open(p) != nil
	}
	if k.off || !endless {
		if rows, errno = p.block(size, rest); errno == 0 {
			how = sleptHeard
		}
		return rows, how, errno
	}
	rows, parked, errno := k.park(size)
	if parked {
		how = sleptHeard
	}
	return rows, how, errno
}

// wokeLocked is told of the end of a sleep that was heard of. From end to end is
// one look at the clock.
func (p *Poller) wokeLocked() {
	h, now := &p.held, time.Since(started)
	h.pass, p.busy = false, 0
	soon := now-h.woke < briskSleep
	h.woke = now
	p.monitor.Heard(now)
	if soon && !h.on && p.outer < 0 { // a tick would make FD readable
		h.begin(now)
	}
}

func (h *holding) begin(now time.Duration) {
	if now >= h.until && h.fits(now) {
		h.on = h.timer.Set(tickEvery)
		h.sleeps = 0
	}
}

// tick is told of each tick of the timer.
func (h *holding) tick(now time.Duration) {
	h.pass = true
	if h.sleeps == 1 {
		h.until = now + restWithoutHold
	}
	h.on = h.sleeps >= minHeldPerTick && h.fits(now) && h.timer.Set(tickEvery)
	h.sleeps = 0
}

// fits reports whether there is a processor for each poller, if all held one.
func (h *holding) fits(now time.Duration) bool {
	if int(pollers.Load()) <= runtime.GOMAXPROCS(0) {
		return true
	}
	h.until = now + restWithoutHold
	return false
}

// countLocked counts what a loop found since a sleep that the runtime heard of.
func (p *Poller) countLocked(n int) {
	if p.busy += n; p.busy >= eventsPerCheck {
		p.wakeMonitorLocked()
	}
}

// wakeMonitorLocked wakes the monitor, if it is time to.
func (p *Poller) wakeMonitorLocked() {
	p.busy = 0
	p.monitor.Wake(time.Since(started))
}
