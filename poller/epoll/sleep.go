//go:build linux

package epoll

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	brisk   = 250 * time.Microsecond // sleeps that end so soon after one another are held
	tick    = 2 * time.Millisecond   // how often the processor is let go of meanwhile
	enough  = 2                      // sleeps in a tick, for the next ones to be held too
	pause   = 100 * time.Millisecond // without held sleeps, after one that lasted for a tick
	minPark = 5 * time.Millisecond   // with a timeout below it a Wait blocks
	early   = 2 * time.Millisecond   // how long before its timeout a Wait ends to be parked
	streak  = 4096                   // events and turns without a sleep, before the monitor is woken
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
// they are short, and not by more pollers than there are processors; with each
// tick of a timer one is not held, when others have their turn and Go's
// netpoller is asked; and one that lasts from tick to tick ends it for a while.
//
// A signal of the runtime's, such as to stop the world, ends a held sleep.
type holding struct {
	on     bool          // sleeps are held
	pass   bool          // but for the next one
	sleeps int           // held since the last tick
	timer  ticker        // runs while on
	woke   time.Duration // when the last sleep ended that was not held, since started
	until  time.Duration // none is held before, since started
}

// sleep waits until the set has something, or until rest has passed unless that
// is negative; it may return before with nothing. It reports whether it had to
// wait.
//
// Timers of the runtime are late by up to a millisecond. So the end of a timeout
// is slept in the kernel.
func (p *Poller) sleep(size uintptr, rest time.Duration) (rows int, slept bool, errno unix.Errno) {
	h, k := &p.held, &p.parked
	if h.on && !h.pass && (rest < 0 || rest >= 2*tick) {
		h.sleeps++
		rows, errno = p.hold(size)
		return rows, true, errno
	}
	h.pass = false
	if k.conn == nil && !k.off {
		k.off = k.open(p) != nil
	}
	if k.off || rest >= 0 && rest < minPark {
		slept = true
		rows, errno = p.block(size, rest)
	} else {
		end := time.Time{}
		if rest >= 0 {
			end = time.Now().Add(rest - early)
		}
		rows, slept, errno = k.park(size, end)
	}
	if slept && !h.on {
		h.begin(time.Since(started))
	}
	return rows, slept, errno
}

// begin has sleeps held if one has ended now, soon after the one before. From end
// to end is one look at the clock.
func (h *holding) begin(now time.Duration) {
	soon := now-h.woke < brisk
	h.woke = now
	switch {
	case !soon || now < h.until:
	case int(pollers.Load()) > runtime.GOMAXPROCS(0):
		h.until = now + pause
	default:
		h.on = h.timer.set(tick)
		h.sleeps = 0
	}
}

// tick is told of each tick of the timer. One that nothing has come since, but
// that a sleep lasts, held the processor for nothing.
func (h *holding) tick(now time.Duration) {
	h.pass = true
	if h.sleeps >= enough && h.timer.set(tick) {
		h.sleeps = 0
		return
	}
	h.on = false
	if h.sleeps == 1 {
		h.until = now + pause
	}
}

// countLocked counts what a loop found without having to sleep. While it finds
// something it makes no system call that the runtime hears of; and if it was
// parked before, the monitor may have gone to rest, which is to take the
// processor from it for others. A call that is heard of wakes that.
func (p *Poller) countLocked(n int) {
	if p.awake += n; p.awake >= streak {
		p.awake = 0
		syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0)
	}
}
