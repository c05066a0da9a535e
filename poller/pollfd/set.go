//go:build unix

package pollfd

import (
	"bide/internal/pollbits"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// outside is the slot of a registration that is not in the set.
const outside = -1

// pollSet is the argument of poll(2) and the way back from it.
//
// Registrations of one number share an entry, since the kernel refuses a set
// of more entries than the process may have descriptors. While a poll is under
// way only stale, order and the registrations may change.
type pollSet struct {
	fds   []unix.PollFd
	slots map[int32]int   // number to index in fds
	order []*registration // all of them, oldest first, and deleted ones for a while
	gone  int             // how many of order are deleted
	next  int             // index in order where collect starts, for fairness
	stale bool            // fds no longer says what order does
}

// add takes a registration in at the next build. Until then it is outside, and
// so hears nothing of a poll that began before it was there.
func (s *pollSet) add(r *registration) {
	s.order = append(s.order, r)
	s.stale = true
}

// remove has a registration left out from now on. Who adds and deletes and never
// waits must not fill order.
func (s *pollSet) remove(r *registration) {
	r.deleted = true
	s.stale = true
	if s.gone++; s.gone > len(s.order)/2 {
		s.compact()
	}
}

// compact forgets the deleted ones.
func (s *pollSet) compact() {
	kept, next := s.order[:0], 0
	for i, r := range s.order {
		if i == s.next {
			next = len(kept)
		}
		if !r.deleted {
			kept = append(kept, r)
		}
	}
	clear(s.order[len(kept):])
	s.order, s.gone, s.next = kept, 0, next
}

// build brings fds up to date. Its first entry is the wake pipe.
func (s *pollSet) build(wake int) {
	if !s.stale && len(s.fds) > 0 {
		return
	}
	s.stale = false
	if s.slots == nil {
		s.slots = make(map[int32]int)
	}
	clear(s.slots)
	s.fds = append(s.fds[:0], unix.PollFd{Fd: int32(wake), Events: unix.POLLIN})
	s.compact()
	for _, r := range s.order {
		s.place(r)
	}
}

// place gives a registration its entry, unless it is to stay silent.
func (s *pollSet) place(r *registration) {
	r.slot = outside
	if r.suppressed || r.lost {
		return
	}
	slot, ok := s.slots[r.fd]
	if !ok {
		slot = len(s.fds)
		s.slots[r.fd] = slot
		s.fds = append(s.fds, unix.PollFd{Fd: r.fd})
	}
	s.fds[slot].Events |= int16(pollbits.Mask(r.interest))
	r.slot = slot
}

// collect turns what poll(2) left in fds into events. It begins after the
// registration that was reported last, so that K ready ones are all reported
// within K rounds, however short dst is.
func (s *pollSet) collect(dst []waitctx.Event) int {
	n, first := 0, s.next
	for i := range s.order {
		if n == len(dst) {
			break
		}
		at := first + i
		if at >= len(s.order) {
			at -= len(s.order)
		}
		r := s.order[at]
		if r.deleted || r.lost || r.suppressed || r.slot == outside {
			continue
		}
		ready := readyOf(s.fds[r.slot].Revents, r.interest)
		if ready == 0 {
			continue
		}
		if ready&waitctx.ReadyClosed != 0 {
			r.lost = true
			s.stale = true
		}
		dst[n] = waitctx.Event{Token: r.token, Ready: ready}
		n++
		s.next = at + 1
	}
	return n
}

// readyOf translates what poll(2) answered, and filters it by interest, as
// others may share the entry.
func readyOf(revents int16, i waitctx.Interest) waitctx.Ready {
	if revents&unix.POLLNVAL != 0 {
		return waitctx.ReadyClosed
	}
	return pollbits.Ready(uint32(uint16(revents)), i)
}
