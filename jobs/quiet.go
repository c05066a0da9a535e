package jobs

import (
	"os"

	"bide/waitctx"
)

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
		src.hush(ev, place)
	}
}

// hush suppresses a wait that fired with nobody awaiting it.
func (src *source) hush(ev *waitctx.Event, place int32) {
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

// untold keeps an error for the next Pause, of several the first.
func (src *source) untold(err error) {
	for q := src.quiet; q != nil; q = q.next {
		if q.place == refusedPlace {
			return
		}
	}
	src.remember(quietWait{place: refusedPlace, err: err})
}

// takeUntold returns what untold has kept.
func (src *source) takeUntold() (err error) {
	for at := &src.quiet; *at != nil; at = &(*at).next {
		if q := *at; q.place == refusedPlace {
			err = q.err
			src.spare(at)
			break
		}
	}
	return err
}

// takeBack keeps what a function was started for, and has been taken away since.
func (src *source) takeBack(reason error) {
	switch {
	case reason == nil || src.stopped: // readiness is told again
	case reason == os.ErrDeadlineExceeded && src.flags&lateFunc == 0: // it was moved since
	case src.waiters.head != nil:
		src.waiters.wakeAll(reason)
	case reason == os.ErrDeadlineExceeded:
		src.deadline, src.timerAt = src.s.now(), missed
	default:
		src.untold(reason)
	}
}

// startAnew starts the function, which is not under way, for what was not told yet:
// at once if that is why a wait was refused, or else when the poller tells.
func (src *source) startAnew() {
	if err := src.takeUntold(); err != nil {
		src.s.startWatch(src, err)
		return
	}
	if src.timerAt == missed {
		src.s.setTimer(src)
	}
	src.listen(anyPlace)
}

// spare takes one off the list of what is quiet.
func (src *source) spare(at **quietWait) {
	q := *at
	*at = q.next
	*q = quietWait{next: src.s.spareQuiet}
	src.s.spareQuiet = q
}

// deaf reports whether listen has something to do: without it, what is there would
// not be told.
func (src *source) deaf() bool { return src.quiet != nil || src.flags&undrained != 0 }

// listen rearms what was suppressed of the wait at place, or of all waits, and looks
// anew.
func (src *source) listen(place int32) {
	if !src.deaf() {
		return
	}
	recalled := src.s.ready.recall()
	src.lookAnew()
	for at := &src.quiet; *at != nil; {
		q := *at
		if place != anyPlace && q.place != place || q.place == refusedPlace {
			at = &q.next
			continue
		}
		src.s.poller.Rearm(q.fd, q.id)
		src.spare(at)
	}
	if recalled {
		src.s.ready.rearm()
	}
}

// lookAnew has the poller tell once more of what it told by edges and was not
// drained, if it is still there. For that nobody may be in the poller.
func (src *source) lookAnew() {
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
