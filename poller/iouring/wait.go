//go:build linux

package iouring

import (
	"os"
	"runtime"
	"time"

	"bide/internal/pollbits"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	maxSleep = 24 * time.Hour   // in one system call; what is left follows in the next
	patience = 5 * time.Second  // with a thread that holds on to a canceled poll
	slice    = time.Millisecond // of it, after which others get the lock
)

// Wait waits for events, as [bide/poller.Poller] has it.
func (p *Poller) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	if p.queue.Load() != 0 {
		runtime.Gosched()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return 0, waitctx.ErrClosed
	}
	if p.waiting {
		return 0, waitctx.ErrBusy
	}
	p.waiting = true
	n, err := p.waitLocked(dst, timeout)
	p.waiting = false
	p.left.Broadcast()
	if !p.closed.Load() {
		p.woken.Store(false)
		if p.nested {
			p.flushLocked(len(p.rearms), false) // FD must be readable, or turn so
		}
	}
	return n, err
}

// waitLocked alternates between handing over what is to be armed and looking at
// what has completed. It sleeps only when all is armed.
func (p *Poller) waitLocked(dst []waitctx.Event, timeout time.Duration) (int, error) {
	start := time.Since(started)
	p.parked.monitor.Wake(start)
	look := p.noteLocked() // what completed before is judged anew, without a sleep
	yield, last := true, false
	for {
		more := p.stageLocked(max(1, len(dst)))
		rest := time.Duration(-1)
		if timeout >= 0 {
			rest = max(0, timeout-(time.Since(started)-start))
		}
		var errno unix.Errno
		if look || more || rest == 0 || p.woken.Load() {
			errno = p.submitLocked()
		} else {
			errno = p.sleepLocked(rest, yield)
			yield = false
		}
		look = false
		if p.closed.Load() {
			return 0, waitctx.ErrClosed
		}
		switch errno {
		case 0, unix.EINTR, unix.ETIME: // a signal is no reason to return; the deadline stands
		case unix.EBADR:
			p.resyncLocked()
		default:
			return 0, os.NewSyscallError("io_uring_enter", errno)
		}
		n, found := p.deliverLocked(dst)
		// A dst without room must not turn a ready descriptor into a spin.
		if n > 0 || p.woken.Load() || found && len(dst) == 0 {
			return n, nil
		}
		if rest == 0 && !more {
			if last || len(p.rearms) == 0 {
				return 0, nil
			}
			last = true // for what its thread's end canceled
		}
	}
}

// sleepLocked hands over what is staged and sleeps until there is a completion,
// with the lock released meanwhile. It may return before.
//
// Before it does, other goroutines get the processor: what they have to do is
// often what makes something ready, and saves going to sleep.
func (p *Poller) sleepLocked(rest time.Duration, yield bool) unix.Errno {
	if yield {
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
		if p.closed.Load() {
			return 0
		}
	}
	k := &p.parked
	if !k.Opened() && !k.off {
		k.off = k.open(&p.ring) != nil
	}
	if k.off {
		p.stats.Enters++
		staged := p.ring.staged()
		p.mu.Unlock()
		errno := p.ring.wait(&p.waitArg, staged, rest)
		p.mu.Lock()
		return errno
	}
	if errno := p.submitLocked(); errno != 0 || p.ring.completed() {
		return errno
	}
	p.mu.Unlock()
	k.park(rest)
	p.mu.Lock()
	return 0
}

// deliverLocked turns what has completed into events. What finds no place in
// dst is judged anew by the next Wait, and so is what does, as long as nobody
// suppresses it.
func (p *Poller) deliverLocked(dst []waitctx.Event) (n int, found bool) {
	for c, ok := p.ring.pop(); ok; c, ok = p.ring.pop() {
		i, ready, errno := p.completeLocked(c)
		if i == 0 {
			continue
		}
		found = true
		s := &p.slots[i]
		if n == len(dst) {
			p.queueLocked(i)
			continue
		}
		e := waitctx.Event{Token: s.token, Ready: ready}
		switch errno {
		case 0:
			p.queueLocked(i)
		case unix.EBADF: // its number was closed: there is nothing to arm
			e.Ready = waitctx.ReadyClosed
		default:
			e.Err = refusal(errno)
		}
		dst[n] = e
		n++
	}
	return n, found
}

// noteLocked has the next Wait judge anew what has completed, or the one under
// way, and reports whether there was something.
func (p *Poller) noteLocked() (found bool) {
	for {
		for c, ok := p.ring.pop(); ok; c, ok = p.ring.pop() {
			if i, _, errno := p.completeLocked(c); i != 0 {
				p.slots[i].errno = errno
				p.queueLocked(i)
				found = true
			}
		}
		if !p.ring.overflown() || p.submitLocked() != 0 {
			return found
		}
	}
}

// completeLocked takes a completion off the books and returns the slot that is
// to hear of it, with what it says; 0 if there is none.
func (p *Poller) completeLocked(c cqe) (i uint32, ready waitctx.Ready, errno unix.Errno) {
	i, gen := uint32(c.userData), uint32(c.userData>>32)
	if i == 0 {
		return 0, 0, 0
	}
	last := c.flags&cqeMore == 0
	s := &p.slots[i]
	if s.gen != gen {
		p.stats.Stale++
		if last && p.leaving > 0 {
			p.leaving--
		}
		return 0, 0, 0
	}
	asked := s.armed
	if last {
		s.armed = 0
	}
	switch {
	case s.queued: // already
		return 0, 0, 0
	case s.suppressed:
		p.abandonLocked(i)
		return 0, 0, 0
	case c.res == -int32(unix.ECANCELED): // by the end of the thread that armed it
		p.queueLocked(i)
		return 0, 0, 0
	case c.res < 0:
		return i, 0, unix.Errno(-c.res)
	}
	ready = pollbits.Ready(uint32(c.res), s.interest)
	if ready&waitctx.ReadyPri != 0 && !hasPriority(s.fd) {
		ready &^= waitctx.ReadyPri
	}
	if ready != 0 {
		p.abandonLocked(i) // one that keeps listening: what is told is judged anew each time
		s.keeps = false
		return i, ready, 0
	}
	if last {
		s.keeps = deaf(uint32(c.res), asked, s.interest)
		p.queueLocked(i)
	}
	return 0, 0, 0
}

// deaf reports whether a poll armed like the last one would complete at once
// for nobody. The kernel adds POLLRDHUP to every mask, so that a socket whose
// peer sent its last byte completes a poll for anything else. A poll that keeps
// listening tells that once, and then what is new.
func deaf(events, asked uint32, i waitctx.Interest) bool {
	return events == unix.POLLRDHUP && asked == maskOf(i)
}

// resyncLocked arms everything anew, after the kernel had no memory to keep a
// completion: it says so, but not whose it was.
func (p *Poller) resyncLocked() {
	p.stats.Drops++
	for i := range p.slots {
		if p.slots[i].armed != 0 {
			p.abandonLocked(uint32(i))
			p.queueLocked(uint32(i))
		}
	}
	p.leaving = 0 // nobody knows
}

// drainLocked waits until the kernel has let go of what was canceled. It has
// at once, unless another thread armed the poll. That thread is interrupted; but
// it may not get a processor, or may be in one of the few calls that signals
// cannot interrupt, and this gives up on it some day. Meanwhile it lets go of the
// lock again and again, since Wake must not block, and sees to it that a Wait
// under way still hears of what this took out of the ring. It returns how often
// others entered the kernel in between.
func (p *Poller) drainLocked() (others uint64) {
	if p.leaving == 0 {
		return 0
	}
	p.draining++
	defer func() {
		p.draining--
		p.left.Broadcast()
	}()
	for start := time.Now(); p.leaving > 0; p.noteLocked() {
		rest := patience - time.Since(start)
		if rest <= 0 {
			return others
		}
		p.stats.Enters++
		switch errno := p.ring.wait(&p.settleArg, p.ring.staged(), min(rest, slice)); errno {
		case 0, unix.EINTR:
		case unix.ETIME:
			if p.waiting {
				p.announceLocked()
			}
			before := p.stats.Enters
			p.mu.Unlock()
			runtime.Gosched()
			p.mu.Lock()
			others += p.stats.Enters - before
			p.flushLocked(0, true) // what others had canceled
		case unix.EBADR:
			p.resyncLocked()
		default:
			return others
		}
	}
	return others
}

// fenceLocked waits for a thread that is letting go of files. A thread other
// than this one makes completions visible first, and then lets go of the files
// they were for, which may take as long as it is kept from a processor. It holds
// the lock of the ring over both, and so does whoever hands over a request.
func (p *Poller) fenceLocked() {
	for !p.ring.push(sqe{opcode: opNop, flags: sqeSkipSuccess}) {
		if p.submitLocked() != 0 {
			return
		}
	}
	p.submitLocked()
}

// hasPriority asks poll(2) whether there is out-of-band data. A completion does
// not tell: the kernel hands on what it woke the socket's waiters with, which
// is all that data may bring.
func hasPriority(fd int32) bool {
	fds := []unix.PollFd{{Fd: fd, Events: unix.POLLPRI}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&unix.POLLPRI != 0
}

// pollRdBand is what a poll for priority asks for too: the kernel wakes no poll
// for POLLPRI alone, and when out-of-band data comes it wakes with both.
const pollRdBand = 0x80

// maskOf translates an interest to what a poll asks for. Silent asks for
// nothing but what comes unasked.
func maskOf(i waitctx.Interest) uint32 {
	mask := unix.POLLERR | unix.POLLHUP | pollbits.Mask(i)
	if i&waitctx.Priority != 0 {
		mask |= pollRdBand
	}
	return mask
}
