package iocp

import (
	"runtime"
	"time"

	"bide/waitctx"
)

const (
	maxRows  = 1024           // fetched at once
	maxSleep = 24 * time.Hour // in one system call; what is left follows in the next
)

// Wait waits for events, as [bide/poller.Poller] has it.
func (p *Poller) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return 0, waitctx.ErrClosed
	}
	if p.waiting {
		return 0, waitctx.ErrBusy
	}
	if rows := min(len(dst), maxRows); rows > len(p.rows) {
		p.rows = make([]packet, rows)
	}
	p.turn++
	n, done, err := p.collectLocked(dst)
	if !done && timeout != 0 {
		p.waiting = true
		n, err = p.sleepLocked(dst, timeout)
		p.waiting = false
		p.left.Broadcast()
	}
	if n > 0 {
		p.pause = 0
	}
	return n, err
}

// collectLocked takes what is ready now. It reports whether Wait is to return.
//
// What the backlog gave is returned by itself, as the polls submitted next would
// report the same registrations once more. Lost ones they would not, and these
// may come to the backlog again and again: they let the port go first every other
// time.
//
// Packets that held nothing to tell are followed by others, since they may have
// hidden what is behind them, and some are of canceled polls, whose successors
// are submitted only now. They come before the signals that were taken without
// one, of which there may be as many again in each Wait.
func (p *Poller) collectLocked(dst []waitctx.Event) (n int, done bool, err error) {
	if p.aside && len(p.backlog) > 0 && p.slots[p.backlog[0].index].dead {
		p.aside = false
	} else if n := p.tellBacklogLocked(dst); n > 0 {
		return n, true, nil
	}
	pipesFirst := p.pipesNext
	if p.pipesNext = false; pipesFirst {
		n, _ = p.sweepLocked(dst)
	}
	for {
		p.flushLocked()
		rows := 0
		if n < len(dst) || len(dst) == 0 {
			if rows, err = p.sys.get(p.rows[:p.size(len(dst)-n)], 0); err != nil {
				return n, true, err
			}
		}
		told, woke := p.deliverLocked(dst[n:], rows, false)
		n += told
		// A dst without room must not turn a ready handle into a spin.
		if n > 0 || woke || rows == 0 || len(dst) == 0 {
			more, watched := p.sweepLocked(dst[n:])
			p.pipesNext = !pipesFirst && watched && n+more == len(dst)
			n += more
			n += p.tellBacklogLocked(dst[n:]) // pipes that turned out to be lost
			done := n > 0 || woke || rows > 0 || len(dst) == 0 && (p.signalLocked() || p.anyPipeLocked())
			return n, done, nil
		}
	}
}

// sleepLocked blocks until Wait is to return, with the lock released meanwhile.
//
// Before it does, other goroutines get the processor: what they have to do is
// often what makes something ready, and saves going to sleep.
func (p *Poller) sleepLocked(dst []waitctx.Event, timeout time.Duration) (int, error) {
	start := time.Now()
	p.mu.Unlock()
	runtime.Gosched()
	p.mu.Lock()
	for {
		if p.closed.Load() {
			return 0, waitctx.ErrClosed
		}
		if n, done, err := p.collectLocked(dst); done {
			return n, err
		}
		rest := time.Duration(-1)
		if timeout > 0 {
			if rest = timeout - time.Since(start); rest <= 0 {
				return 0, nil
			}
		}
		if p.watchingPipesLocked() {
			if pause := p.pauseLocked(); rest < 0 || rest > pause {
				rest = pause
			}
		}
		p.asleep = true
		p.mu.Unlock()
		rows, err := p.sys.get(p.rows[:p.size(len(dst))], min(rest, maxSleep))
		p.mu.Lock()
		p.asleep = false
		if p.closed.Load() {
			p.deliverLocked(nil, rows, true)
			return 0, waitctx.ErrClosed
		}
		if err != nil {
			return 0, err
		}
		n, woke := p.deliverLocked(dst, rows, true) // the port was empty before
		if n > 0 || woke || rows > 0 && len(dst) == 0 {
			return n, nil
		}
	}
}

// deliverLocked turns fetched packets into events, and reports whether Wake was
// among them. What finds no place goes to the backlog. fresh says that no packet
// can be older than this Wait.
func (p *Poller) deliverLocked(dst []waitctx.Event, rows int, fresh bool) (n int, woke bool) {
	p.judge.reset()
	for _, row := range p.rows[:rows] {
		switch row.key {
		case keyWake:
			woke = p.wake.pending.Swap(false) || woke
			p.interrupted = false
		case keyWaitable:
			p.feedWaitLocked(uint32(row.cookie))
		case keySocket:
			if src, events, old := p.feedLocked(uint32(row.cookie)); src != nil {
				p.judge.add(src, events, old && !fresh)
			}
		}
	}
	p.checkLocked()
	for i, src := range p.judge.sources {
		n += p.fanOutLocked(dst[n:], src, p.judge.targets[i].events)
	}
	return n + p.tellBacklogLocked(dst[n:]), woke
}

// fanOutLocked tells everybody who listens at a source. Those for whom there is
// no room go to the backlog.
func (p *Poller) fanOutLocked(dst []waitctx.Event, src *source, events uint32) (n int) {
	for i := src.first; i != 0; i = p.slots[i].next {
		s := &p.slots[i]
		if s.dead || s.suppressed {
			continue
		}
		ready := readyOf(events, s.interest)
		if ready == 0 {
			continue
		}
		if n == len(dst) {
			p.queueLocked(i)
			continue
		}
		dst[n] = waitctx.Event{Token: s.token, Ready: ready}
		s.queued = false
		n++
	}
	return n
}

// tellBacklogLocked fills dst from the backlog with what still holds.
func (p *Poller) tellBacklogLocked(dst []waitctx.Event) int {
	n, at := 0, 0
	for ; at < len(p.backlog) && n < len(dst); at++ {
		b := p.backlog[at]
		s := &p.slots[b.index]
		if s.gen != b.gen || !s.queued {
			continue
		}
		s.queued = false
		if s.suppressed {
			continue
		}
		e := waitctx.Event{Token: s.token, Ready: waitctx.ReadyClosed, Err: s.err}
		if s.dead {
			p.aside = true
		} else {
			if e.Ready, e.Err = p.readyNowLocked(s), nil; e.Ready == 0 {
				continue
			}
		}
		dst[n] = e
		n++
	}
	p.backlog = p.backlog[:copy(p.backlog, p.backlog[at:])]
	return n
}

// signalLocked reports whether there is something in the backlog that no packet
// tells of: the end of a file, or a signal. It is for a dst without room. A signal
// that was taken back since is waited for again.
func (p *Poller) signalLocked() bool {
	for _, b := range p.backlog {
		s := &p.slots[b.index]
		switch {
		case s.gen != b.gen || !s.queued || s.suppressed:
		case s.dead:
			return true
		case s.owed:
			if s.src.wait.level() && !s.src.wait.signalled() {
				s.owed = false
				p.updateWaitLocked(s.src)
			}
			if s.owed {
				return true
			}
		}
	}
	return false
}

// readyNowLocked asks whether a slot from the backlog is still ready, as its
// handle may have been drained since, or reset. A signal that was consumed stands.
func (p *Poller) readyNowLocked(s *slot) waitctx.Ready {
	src := s.src
	switch src.kind {
	case waitctx.Waitable:
		if !s.owed {
			return 0
		}
		s.owed = false
		p.queueUpdateLocked(src)
		if src.wait.level() && !src.wait.signalled() {
			return 0
		}
		return readyOfWait(s.interest)
	case waitctx.Pipe:
		state, err := p.sys.peek(src.handle)
		if err != nil || state == pipeEmpty {
			return 0
		}
		return readyOf(pipeEvents(state), s.interest)
	}
	if src.poll != 0 {
		return 0 // which tells as much, and must be the only one
	}
	ask := [1]target{{handle: src.base, events: maskOf(s.interest)}}
	if p.sys.now(ask[:]).failed() {
		return 0
	}
	return readyOf(ask[0].events, s.interest)
}

// judge is a batch of sockets whose packets were fetched, and the question which
// of them are ready still.
type judge struct {
	sources []*source
	targets []target // one for each source
	old     []int    // indexes of those to ask about
	ask     []target
}

func (j *judge) reset() {
	clear(j.sources)
	j.sources, j.targets, j.old, j.ask = j.sources[:0], j.targets[:0], j.old[:0], j.ask[:0]
}

// add takes a socket in. old says that its packet may be out of date.
func (j *judge) add(src *source, events uint32, old bool) {
	if old {
		j.old = append(j.old, len(j.sources))
		j.ask = append(j.ask, target{handle: src.base})
	}
	j.sources = append(j.sources, src)
	j.targets = append(j.targets, target{events: events})
}

// checkLocked replaces the events of packets that may be out of date by those
// of this moment, all by one poll.
//
// That poll may name one socket several times, by duplicates of its handle. Wine
// then says of each only what the last was asked for. So what a packet told and
// a poll of many lacks, one of that socket alone decides.
func (p *Poller) checkLocked() {
	j := &p.judge
	if len(j.old) == 0 {
		return
	}
	p.stats.Checks += uint64(len(j.old))
	for k, i := range j.old {
		j.ask[k].events, _, _ = p.wantLocked(j.sources[i])
	}
	failed := p.sys.now(j.ask).failed() // one of them was closed
	for k, i := range j.old {
		told := &j.targets[i].events
		want, _, _ := p.wantLocked(j.sources[i])
		if failed || len(j.ask) > 1 && *told&want&^j.ask[k].events != 0 {
			j.ask[k].events = want
			switch st := p.sys.now(j.ask[k : k+1]); {
			case st.gone():
				j.ask[k].events = 0 // as the next poll will find
			case st.failed():
				j.ask[k].events = *told // better out of date than lost
			}
		}
		*told = j.ask[k].events
	}
}

// watchingPipesLocked reports whether anybody listens to a pipe.
func (p *Poller) watchingPipesLocked() bool {
	for _, src := range p.pipes {
		if _, listening, _ := p.wantLocked(src); listening {
			return true
		}
	}
	return false
}

// size is how many packets to fetch: no more than dst has room for, or events
// would queue here instead of in the port.
func (p *Poller) size(room int) int { return max(1, min(room, len(p.rows))) }
