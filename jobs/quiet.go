package jobs

import (
	"os"

	"bide/waitctx"
)

// quietWait is what a source was told of a wait while nobody awaited it.
type quietWait struct {
	next  *quietWait
	fd    waitctx.FD
	id    waitctx.ID
	place int32
	ready waitctx.Ready
	err   error // why the kernel refused one
}

// unawaited is what becomes of an event that no job waits for. The first by edges
// since the source was drained is remembered by that alone: if it is drained again
// before it is awaited, that was all.
func (src *source) unawaited(ev *waitctx.Event, place int32, first bool) {
	switch {
	case src.fn != nil && !src.active && !src.stopped:
		t := src.s.startWatch(src, ev.Err)
		t.fired, t.became = place+1, ev.Ready
	case first && src.s.edges:
		src.s.stats.Unawaited++
	default:
		src.suppress(ev, place)
	}
}

// suppress silences a wait that fired with nobody awaiting it.
func (src *source) suppress(ev *waitctx.Event, place int32) {
	id, fd, ok := src.wc.Lookup(ev.Token)
	if !ok {
		return
	}
	src.s.stats.Unawaited++
	src.s.poller.Suppress(fd, id)
	for q := src.quiet; q != nil; q = q.next {
		switch {
		case q.id == id:
			return
		case q.place == place: // of one that is gone
			q.fd, q.id, q.ready = fd, id, ev.Ready
			return
		}
	}
	src.remember(quietWait{fd: fd, id: id, place: place, ready: ev.Ready})
}

// remember appends to what is quiet.
func (src *source) remember(w quietWait) {
	end := &src.quiet
	for *end != nil {
		end = &(*end).next
	}
	*end = src.s.newQuiet()
	**end = w
}

// refusedPlace is where the list of what is quiet keeps the error of a wait that the
// kernel refused while nobody awaited it.
const refusedPlace = -2

// keepRefusal keeps an error for the next Pause, of several the first.
func (src *source) keepRefusal(err error) {
	for q := src.quiet; q != nil; q = q.next {
		if q.place == refusedPlace {
			return
		}
	}
	src.remember(quietWait{place: refusedPlace, err: err})
}

// takeRefusal returns what keepRefusal has kept.
func (src *source) takeRefusal() (err error) {
	for at := &src.quiet; *at != nil; at = &(*at).next {
		if q := *at; q.place == refusedPlace {
			err = q.err
			src.freeQuiet(at)
			break
		}
	}
	return err
}

// redeliver passes on what a function was started for that has been taken away
// since: to those who wait, or else to who comes next.
func (src *source) redeliver(reason error) {
	switch {
	case reason == nil || src.stopped: // readiness is told again
	case reason == os.ErrDeadlineExceeded && src.flags&told == 0: // it was moved since
	case src.waiters.head != nil:
		src.waiters.wakeAll(reason)
	case reason == os.ErrDeadlineExceeded:
		src.flags &^= told
	default:
		src.keepRefusal(reason)
	}
}

// restartFunc starts the function, which is not under way, for what was not told
// yet: at once if that is why a wait was refused, or else when the poller tells.
func (src *source) restartFunc() {
	if err := src.takeRefusal(); err != nil {
		src.s.startWatch(src, err)
		return
	}
	if src.untold() {
		src.s.setTimer(src)
	}
	src.rearm(anyPlace)
}

// freeQuiet takes one off the list of what is quiet.
func (src *source) freeQuiet(at **quietWait) {
	q := *at
	*at = q.next
	*q = quietWait{next: src.s.spareQuiet}
	src.s.spareQuiet = q
}

// needsRearm reports whether rearm has something to do: without it, what is there
// would not be told.
func (src *source) needsRearm() bool { return src.quiet != nil || src.flags&undrained != 0 }

// rearm has what was suppressed of the wait at place, or of all waits, told again,
// and rechecks edges.
func (src *source) rearm(place int32) {
	if !src.needsRearm() {
		return
	}
	recalled := src.s.ready.recall()
	src.recheckEdge()
	for at := &src.quiet; *at != nil; {
		q := *at
		if place != anyPlace && q.place != place || q.place == refusedPlace {
			at = &q.next
			continue
		}
		src.s.poller.Rearm(q.fd, q.id)
		src.freeQuiet(at)
	}
	if recalled {
		src.s.ready.rearm()
	}
}

// recheckEdge has the poller tell once more of what it told by edges and was not
// drained, if it is still there. For that nobody may be in the poller.
func (src *source) recheckEdge() {
	if src.flags&undrained == 0 || !src.s.edges {
		return
	}
	for key, w := range src.wc.All() {
		if w.Interest&waitctx.Edge != 0 {
			src.flags &^= undrained
			id := src.wc.ID(key)
			src.s.poller.Suppress(w.FD, id) // a Rearm alone does nothing
			src.s.poller.Rearm(w.FD, id)
		}
	}
}

func (s *Scheduler) newQuiet() *quietWait {
	q := s.spareQuiet
	if q == nil {
		return new(quietWait)
	}
	s.spareQuiet = q.next
	return q
}
