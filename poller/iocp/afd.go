package iocp

import (
	"math"
	"os"

	"bide/waitctx"
)

// The events of AFD_POLL_HANDLE_INFO. AFD_POLL_CONNECT (0x40) is not among
// them: once set it stays, and a poll for it never waits (mio#1112).
const (
	afdReceive     = 0x001
	afdExpedited   = 0x002
	afdSend        = 0x004
	afdDisconnect  = 0x008
	afdAbort       = 0x010
	afdLocalClose  = 0x020
	afdAccept      = 0x080
	afdConnectFail = 0x100
)

// afdOver is asked for by everybody: hang-up and error.
const afdOver = afdAbort | afdConnectFail

// perHelper is how many polls may be outstanding on one helper handle. To
// cancel one the system looks through all of its handle (trio#1280); wepoll,
// mio and polling have the same number.
const perHelper = 32

// poll is one question to \Device\Afd, of which a socket has at most one:
//
//	idle ─submit→ pending ─packet→ idle
//	pending ─cancel→ canceled ─packet→ idle
//
// idle is a source without a poll. What the kernel writes to is op, from submit
// to packet; until then neither it nor the poll's number is used again.
type poll struct {
	op       *op
	helper   uintptr
	src      *source // nil while the poll is on the free list
	mask     uint32
	turn     uint64 // the Wait that submitted it
	canceled bool
	next     uint32 // of the free list; 0 ends it
}

// updateLocked brings a socket's poll in line with its interests. Only the
// waiter may call it.
func (p *Poller) updateLocked(src *source) {
	want, listening, covered := p.wantLocked(src)
	switch {
	case src.poll == 0:
		if listening {
			p.submitLocked(src, want)
		}
	case p.polls[src.poll].canceled:
		// Its packet brings the source back here.
	case listening && (!covered || want&^p.polls[src.poll].mask != 0):
		p.cancelLocked(src.poll)
	}
}

// wantLocked is what a poll must ask for: what those listening are for. covered
// says that the outstanding one was submitted for all of them. One that was
// not may mean another socket of the same number.
func (p *Poller) wantLocked(src *source) (want uint32, listening, covered bool) {
	covered = true
	for i := src.first; i != 0; i = p.slots[i].next {
		if s := &p.slots[i]; !s.dead && !s.suppressed {
			want |= maskOf(s.interest)
			listening = true
			covered = covered && s.covered
		}
	}
	return want, listening, covered
}

// submitLocked asks for a poll.
func (p *Poller) submitLocked(src *source, want uint32) {
	i, err := p.allocPollLocked()
	if err != nil {
		p.loseLocked(src, err)
		return
	}
	pl := &p.polls[i]
	pl.src, pl.mask, pl.turn, pl.canceled = src, want, p.turn, false
	*pl.op = op{status: uintptr(statusPending), info: pollInfo{
		timeout: math.MaxInt64,
		handles: 1,
		target:  target{handle: src.base, events: want | afdLocalClose},
	}}
	p.stats.Polls++
	if st := p.sys.submit(pl.helper, pl.op, uintptr(i)); st.failed() {
		p.freePollLocked(i)
		if st.gone() {
			p.loseLocked(src, nil)
		} else {
			p.loseLocked(src, os.NewSyscallError("NtDeviceIoControlFile", st))
		}
		return
	}
	p.stats.Outstanding++
	src.poll = i
	for i := src.first; i != 0; i = p.slots[i].next {
		p.slots[i].covered = true
	}
}

// cancelLocked has an outstanding poll's packet come. Any goroutine may call it.
func (p *Poller) cancelLocked(i uint32) {
	pl := &p.polls[i]
	if pl.canceled {
		return
	}
	pl.canceled = true
	p.stats.Cancels++
	p.sys.cancel(pl.helper, pl.op) // STATUS_NOT_FOUND: the packet is there already
}

// feedLocked takes a poll's packet: it returns the source, which is idle again,
// and what the socket was ready for. The source is in line for the next poll.
// old says that the poll was submitted in an earlier Wait. The source is nil if
// there is nothing to tell.
func (p *Poller) feedLocked(i uint32) (src *source, events uint32, old bool) {
	pl := &p.polls[i]
	src, old = pl.src, pl.turn != p.turn
	st, info := status(pl.op.status), pl.op.info
	p.freePollLocked(i)
	p.stats.Outstanding--
	src.poll = 0
	if src.first == 0 {
		p.dropSourceLocked(src)
		return nil, 0, false
	}
	p.queueUpdateLocked(src)
	switch {
	case st == statusCanceled:
		return nil, 0, false
	case st.failed():
		p.loseLocked(src, os.NewSyscallError("IOCTL_AFD_POLL", st))
		return nil, 0, false
	case info.handles < 1:
		return nil, 0, false
	case info.target.events&afdLocalClose != 0:
		p.closedLocked(src)
		return nil, 0, false
	}
	return src, info.target.events, old
}

// closedLocked handles a socket that was closed with its poll outstanding. What
// was added since then means the number's next owner.
func (p *Poller) closedLocked(src *source) {
	for i := src.first; i != 0; i = p.slots[i].next {
		if p.slots[i].covered {
			p.buryLocked(i, nil)
		}
	}
}

// allocPollLocked takes a poll from the free list, or makes as many as share a
// helper handle.
func (p *Poller) allocPollLocked() (uint32, error) {
	if p.freePoll == 0 {
		if err := p.growPollsLocked(); err != nil {
			return 0, err
		}
	}
	i := p.freePoll
	p.freePoll = p.polls[i].next
	p.polls[i].next = 0
	return i, nil
}

func (p *Poller) growPollsLocked() error {
	helper, err := p.sys.newHelper()
	if err != nil {
		return err
	}
	if len(p.ops) < perHelper {
		ops, err := p.sys.newOps()
		if err != nil {
			p.sys.closeHandle(helper)
			return err
		}
		p.chunks, p.ops = append(p.chunks, ops), ops
	}
	p.helpers = append(p.helpers, helper)
	p.stats.Helpers++
	first := len(p.polls)
	for i := range perHelper {
		p.polls = append(p.polls, poll{op: &p.ops[i], helper: helper, next: uint32(first + i + 1)})
	}
	p.polls[len(p.polls)-1].next = 0
	p.ops = p.ops[perHelper:]
	p.freePoll = uint32(first)
	return nil
}

func (p *Poller) freePollLocked(i uint32) {
	pl := &p.polls[i]
	pl.src = nil
	pl.next, p.freePoll = p.freePoll, i
}

// maskOf translates an interest to what a poll asks for. Silent asks for
// hang-up and error only, which everybody does.
func maskOf(i waitctx.Interest) uint32 {
	mask := uint32(afdOver)
	if i&waitctx.Readable != 0 {
		mask |= afdReceive | afdAccept | afdDisconnect
	}
	if i&waitctx.Writable != 0 {
		mask |= afdSend
	}
	if i&waitctx.Priority != 0 {
		mask |= afdExpedited
	}
	return mask
}

// readyOf translates what a poll found, and filters it by interest, as others
// may share the poll. Hang-up and error make a socket readable and writable: no
// call on it blocks.
func readyOf(events uint32, i waitctx.Interest) waitctx.Ready {
	var ready waitctx.Ready
	if events&afdConnectFail != 0 {
		ready |= waitctx.ReadyErr
	}
	if events&afdAbort != 0 {
		ready |= waitctx.ReadyHup
	}
	over := events&afdOver != 0
	if i&waitctx.Readable != 0 {
		if over || events&(afdReceive|afdAccept|afdDisconnect) != 0 {
			ready |= waitctx.ReadyIn
		}
		if events&afdDisconnect != 0 {
			ready |= waitctx.ReadyRdHup
		}
	}
	if i&waitctx.Writable != 0 && (over || events&afdSend != 0) {
		ready |= waitctx.ReadyOut
	}
	if i&waitctx.Priority != 0 && events&afdExpedited != 0 {
		ready |= waitctx.ReadyPri
	}
	return ready
}
