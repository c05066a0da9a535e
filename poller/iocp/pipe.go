package iocp

import (
	"time"

	"bide/waitctx"
)

// How long Wait sleeps between two looks into the pipes: the first pause, and
// the longest. They double while nothing comes, and so bound how late a pipe
// may be told.
const (
	sweepFirst = time.Millisecond
	sweepLast  = 10 * time.Millisecond
)

// sweepLocked looks into the pipes somebody listens to and tells of those that
// are ready. It begins behind the pipe that was told last. watched reports
// whether there was anything to look into.
func (p *Poller) sweepLocked(dst []waitctx.Event) (n int, watched bool) {
	for k := range p.pipes {
		src := p.pipes[(p.nextPipe+k)%len(p.pipes)]
		if _, listening, _ := p.wantLocked(src); !listening {
			continue
		}
		watched = true
		if n >= len(dst) {
			break
		}
		state, err := p.sys.peek(src.handle)
		switch {
		case err != nil:
			p.loseLocked(src, nil)
		case state != pipeEmpty:
			if told := p.fanOutLocked(dst[n:], src, pipeEvents(state)); told > 0 {
				n += told
				p.nextPipe = src.pipe + 1
			}
		}
	}
	return n, watched
}

// anyPipeLocked reports whether a pipe is ready for somebody who listens. It is
// for a dst without room.
func (p *Poller) anyPipeLocked() bool {
	for _, src := range p.pipes {
		want, listening, _ := p.wantLocked(src)
		if !listening {
			continue
		}
		state, err := p.sys.peek(src.handle)
		if err != nil || state != pipeEmpty && pipeEvents(state)&want != 0 {
			return true
		}
	}
	return false
}

// pipeEvents is what peeking found, in the words of a socket's poll: the end of
// a pipe is a hang-up, of which everybody hears.
func pipeEvents(state pipeState) uint32 {
	if state == pipeEnd {
		return afdAbort
	}
	return afdReceive
}

// pauseLocked is how long to sleep until the next look.
func (p *Poller) pauseLocked() time.Duration {
	pause := max(p.pause, sweepFirst)
	p.pause = min(2*pause, sweepLast)
	return pause
}
