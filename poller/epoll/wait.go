//go:build linux

package epoll

import (
	"os"
	"runtime"
	"time"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	maxRows  = 1024           // fetched at once
	maxSleep = 24 * time.Hour // in one system call; what is left follows in the next
	maxRun   = 64             // dead cookies in a row that give a ghost away
)

// Wait waits for events, as [bide/poller.Poller] has it.
func (p *Poller) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	if p.queue.Load() != 0 {
		runtime.Gosched()
	}
	p.mu.Lock()
	if p.closed.Load() || p.waiting || len(p.rearms)+len(p.backlog) > 0 || len(dst) > len(p.scratch.rows) {
		if n, done, err := p.prepareLocked(dst); done {
			p.mu.Unlock()
			return n, err
		}
	}
	if timeout < 0 && p.sleepy {
		return p.waitLocked(dst, timeout, 0, 0, 0)
	}
	// The first fetch is made here, not in collectLocked: after a system call the
	// processor mispredicts each return to a frame that was open before.
	rows, errno := p.fetch(&p.scratch.rows[0], p.size(len(dst)))
	n := 0
	if errno == 0 {
		n = p.tellPlainLocked(dst, p.scratch.rows[:rows])
		if n == int(rows) && n > 0 {
			p.run = 0
			p.countLocked(n)
			p.mu.Unlock()
			return n, nil
		}
	}
	return p.waitLocked(dst, timeout, n, int(rows), errno)
}

// waitLocked is the rest of a Wait that fetched rows, of which n are told. It
// unlocks.
func (p *Poller) waitLocked(dst []waitctx.Event, timeout time.Duration, n, rows int, errno unix.Errno) (int, error) {
	defer p.mu.Unlock()
	n, done, err := p.deliverLocked(dst, n, rows, errno)
	p.countLocked(n + 1)
	if !done && rows != 0 {
		n, done, err = p.collectLocked(dst)
	}
	if !done && timeout != 0 {
		p.waiting = true // nothing above lets go of the lock, so nobody needed to see it
		n, err = p.sleepLocked(dst, timeout)
		p.waiting = false
		p.left.Broadcast()
	}
	if len(p.backlog) > 0 {
		p.showBacklogLocked()
	}
	return n, err
}

// prepareLocked does what has to be done before the kernel is asked. It
// reports whether Wait is to return. What the backlog gives is returned by
// itself, as the kernel would report the same registrations once more. Lost ones
// it would not, and they may come to the backlog again and again: they let the
// kernel go first every other time.
func (p *Poller) prepareLocked(dst []waitctx.Event) (n int, done bool, err error) {
	if p.closed.Load() {
		return 0, true, waitctx.ErrClosed
	}
	if p.waiting {
		return 0, true, waitctx.ErrBusy
	}
	if rows := min(len(dst), maxRows); rows > len(p.scratch.rows) {
		p.scratch.rows = make([]unix.EpollEvent, rows)
	}
	p.flushLocked()
	if p.aside && len(p.backlog) > 0 && p.slots.At(p.backlog[0].index).is(dead) {
		p.aside, p.sleepy = false, false
	} else {
		n = p.tellBacklogLocked(dst)
	}
	if len(p.backlog) > 0 {
		p.showBacklogLocked()
	}
	return n, n > 0, nil
}

// collectLocked takes what is ready now. It reports whether Wait is to return.
//
// A fetch that held nothing to tell is followed by another one, since it may
// have hidden what is behind it. Each either silences what it found or brings
// a rebuild nearer, which bounds their number.
func (p *Poller) collectLocked(dst []waitctx.Event) (n int, done bool, err error) {
	if n := p.tellBacklogLocked(dst); n > 0 {
		return n, true, nil
	}
	for range p.slots.Len() + maxRun {
		rows, errno := p.fetch(&p.scratch.rows[0], p.size(len(dst)))
		n, done, err := p.deliverLocked(dst, 0, int(rows), errno)
		if done || rows == 0 {
			return n, done, err
		}
	}
	return 0, false, nil
}

// sleepLocked blocks until Wait is to return, with the lock released meanwhile.
//
// Before it does, other goroutines get the processor: what they have to do is
// often what makes something ready, and saves going to sleep. While each sleep
// ends with a single event the next Wait begins here: what it would fetch first
// is seldom there.
func (p *Poller) sleepLocked(dst []waitctx.Event, timeout time.Duration) (int, error) {
	var start time.Duration
	if timeout > 0 {
		start = time.Since(started)
	}
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	if p.closed.Load() {
		return 0, waitctx.ErrClosed
	}
	if timeout > 0 || len(p.backlog) > 0 {
		if n, done, err := p.collectLocked(dst); done {
			return n, err
		}
	}
	for {
		now, rest := time.Duration(0), time.Duration(-1)
		if timeout > 0 {
			now = time.Since(started)
			if rest = timeout - (now - start); rest <= 0 {
				return 0, nil
			}
		}
		p.mu.Unlock()
		rows, how, errno := p.sleep(p.size(len(dst)), now, rest)
		p.mu.Lock()
		p.sleepy = how != sleptNot && rows == 1
		if how == sleptHeard {
			p.wokeLocked()
		}
		if p.closed.Load() {
			return 0, waitctx.ErrClosed
		}
		if n, done, err := p.deliverLocked(dst, 0, int(rows), errno); done {
			return n, err
		}
	}
}

// tellPlainLocked tells rows up to the first that asks for more: nearly every
// one is of a registration that has its number for itself and somebody who
// listens. It returns how many those were.
func (p *Poller) tellPlainLocked(dst []waitctx.Event, rows []unix.EpollEvent) int {
	n := 0
	for ; n < len(rows) && n < len(dst); n++ {
		row := &rows[n]
		s := p.slots.At(uint32(row.Fd))
		if s.gen != uint32(row.Pad) || s.next != 0 || s.flags != 0 {
			break
		}
		if moreThanData(row.Events) && s.armed&edge != 0 {
			break
		}
		ready := readyOf(row.Events, s.interest)
		if ready == 0 {
			break
		}
		dst[n] = waitctx.Event{Token: s.token, Ready: ready}
	}
	return n
}

// deliverLocked turns the rows of a fetch into events, and reports whether Wait
// is to return. The first n are told already. What finds no place goes to the
// backlog.
func (p *Poller) deliverLocked(dst []waitctx.Event, n, rows int, errno unix.Errno) (told int, done bool, err error) {
	if errno != 0 {
		if errno == unix.EINTR { // a signal is no reason to return; the deadline stands
			return 0, false, nil
		}
		return 0, true, os.NewSyscallError("epoll_pwait", errno)
	}
	woke := rows > 0 && len(dst) == 0 // without room, a ready descriptor must not become a spin
	stale := false
	for r := n; r < rows; r++ {
		plain := p.tellPlainLocked(dst[n:], p.scratch.rows[r:rows])
		if n, r = n+plain, r+plain; r == rows {
			break
		}
		row := &p.scratch.rows[r]
		i := uint32(row.Fd)
		s := p.slots.At(i)
		switch {
		case i == 0 && row.Pad == tickCookie>>32:
			p.held.tick(time.Since(started))
			woke = woke && rows > 1
		case i == 0 && row.Pad == alarmCookie>>32:
			woke = woke && rows > 1 // whether it is time sleepLocked asks
		case i == 0:
			woke = p.wake.pending.Swap(false) || woke
		case s.gen != uint32(row.Pad) || s.is(dead):
			p.stats.Stale++
			p.run++
			stale = true
		default:
			p.run = 0
			n = p.fanOutLocked(dst, n, i, row.Events)
		}
	}
	if n > 0 {
		p.run = 0
	}
	if len(p.backlog) > 0 && n < len(dst) {
		n += p.tellBacklogLocked(dst[n:])
	}
	if stale && (p.ghost || p.run >= maxRun) && p.rebuildLocked() != nil {
		// For want of a descriptor, as a rule. That is no reason to fail: Wait
		// returns as if woken, but not in a spin, and the ghost comes again.
		woke = true
		time.Sleep(time.Millisecond)
	}
	return n, n > 0 || woke, nil
}

// fanOutLocked tells everybody who listens at a registration. If nobody does,
// the kernel is told to be silent about it. What comes by edges is gone with the
// event: if that told of an end, or dst is empty, the kernel is to tell again.
func (p *Poller) fanOutLocked(dst []waitctx.Event, n int, head, events uint32) int {
	heard := false
	for i := head; i != 0; i = p.slots.At(i).next {
		s := p.slots.At(i)
		if s.is(dead | suppressed) {
			continue
		}
		ready := readyOf(events, s.interest)
		if ready == 0 {
			continue
		}
		heard = true
		if n < len(dst) {
			dst[n] = waitctx.Event{Token: s.token, Ready: ready}
			s.flags &^= queued
			n++
		} else if len(dst) > 0 {
			p.queueLocked(i)
		}
	}
	errno := unix.Errno(0)
	switch byEdge := p.slots.At(head).armed&edge != 0; {
	case byEdge && moreThanData(events):
		errno = p.levelLocked(head)
	case byEdge && len(dst) == 0:
		p.forgetArmedLocked(head)
		errno = p.armLocked(head)
	case !heard:
		errno = p.armLocked(head)
	}
	if errno != 0 {
		p.loseLocked(p.slots.At(head).fd)
	}
	return n
}

// showBacklogLocked keeps the FD of another loop readable.
func (p *Poller) showBacklogLocked() {
	if p.outer >= 0 {
		p.wake.interrupt()
	}
}

// tellBacklogLocked fills dst from the backlog with what still holds.
func (p *Poller) tellBacklogLocked(dst []waitctx.Event) int {
	n, at := 0, 0
	for ; at < len(p.backlog) && n < len(dst); at++ {
		b := p.backlog[at]
		s := p.slots.At(b.index)
		if s.gen != b.gen || !s.is(queued) {
			continue
		}
		s.flags &^= queued
		if s.is(suppressed) {
			continue
		}
		ready := waitctx.ReadyClosed
		if s.is(dead) {
			p.aside = true
		} else {
			ready = readyNow(s)
		}
		if ready != 0 {
			dst[n] = waitctx.Event{Token: s.token, Ready: ready}
			n++
		}
	}
	p.backlog = p.backlog[:copy(p.backlog, p.backlog[at:])]
	return n
}

// readyNow asks poll(2) whether a slot from the backlog is still ready, as its
// descriptor may have been drained since.
func readyNow(s *slot) waitctx.Ready {
	fds := []unix.PollFd{{Fd: s.fd, Events: int16(maskOf(s.interest))}}
	if n, err := unix.Poll(fds, 0); err != nil || n == 0 {
		return 0
	}
	return readyOf(uint32(uint16(fds[0].Revents)), s.interest)
}
