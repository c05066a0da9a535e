package jobs

import (
	"os"

	"bide/waitctx"
)

// source is a WaitCtx bound to a scheduler: a job's own, or a Watch's. There is
// one for each connection at rest, so that its 64 bytes count.
type source struct {
	waiters queue      // jobs paused on it
	quiet   *quietWait // what was ready, unawaited, and so suppressed in the poller; or refused
	s       *Scheduler
	fn      func(Job) error
	wc      *waitctx.WaitCtx
	slot    uint32

	flags   sourceFlags
	active  bool // a job that fn was started as has not ended
	dirty   bool // on s.dirty
	stopped bool

	deadline int64 // loop time, 0 for none
	timerAt  int64 // of the timer in the heap, 0 for none
}

type sourceFlags uint8

const (
	ofJob     sourceFlags = 1 << iota // its own, which is used for others again
	lowJobs                           // fn is started as run at low priority
	drainable                         // its reader says when there is nothing left: see Watch.SetDrained
	undrained                         // it was told since
	lateFunc                          // fn is to begin for a deadline that was not moved since
)

// ownSource is a job's own, with its context.
type ownSource struct {
	source
	wc waitctx.WaitCtx
}

type quietWait struct {
	next  *quietWait
	fd    waitctx.FD
	id    waitctx.ID
	place int32
	ready waitctx.Ready
	err   error // why the kernel refused one
}

// A token is generation, slot and place, from the top.
const (
	slotBits  = 24
	slotShift = 16
	genShift  = slotShift + slotBits
	placeMask = 1<<slotShift - 1
)

// slotEntry gives a slot's tokens their meaning.
type slotEntry struct {
	src *source
	gen uint32
}

// bind takes the source's context over.
func (s *Scheduler) bind(src *source) error {
	if len(s.freeSlots) == 0 {
		if s.slots.Len() >= 1<<slotBits {
			return ErrNoJobs
		}
		s.freeSlots = append(s.freeSlots, s.slots.Add())
	}
	last := len(s.freeSlots) - 1
	src.slot = s.freeSlots[last]
	if err := src.wc.Bind(src.Base(), src); err != nil {
		return err
	}
	s.freeSlots = s.freeSlots[:last]
	s.slots.At(src.slot).src = src
	return nil
}

// unbind ends the slot's generation: tokens still on their way are dropped.
func (s *Scheduler) unbind(src *source) {
	src.wc.Unbind()
	e := s.slots.At(src.slot)
	e.src = nil
	e.gen = (e.gen + 1) & (1<<(64-genShift) - 1)
	s.freeSlots = append(s.freeSlots, src.slot)
}

// lookup returns the source a token belongs to, or nil for a stale one.
func (s *Scheduler) lookup(t waitctx.Token) *source {
	slot := uint32(t>>slotShift) & (1<<slotBits - 1)
	if slot >= s.slots.Len() {
		return nil
	}
	e := s.slots.At(slot)
	if e.gen != uint32(t>>genShift) {
		return nil
	}
	return e.src
}

// Base is what the source's tokens begin with. Its context asks for it.
func (src *source) Base() waitctx.Token {
	return waitctx.Token(src.s.slots.At(src.slot).gen)<<genShift | waitctx.Token(src.slot)<<slotShift
}

// Changed puts the source on the list of those whose changes are applied at the
// end of the turn. Its context calls it.
func (src *source) Changed() {
	if !src.dirty {
		src.dirty = true
		src.s.dirty = append(src.s.dirty, src)
		src.s.ready.rouse()
	}
}

// ready tells the source that the wait behind a token fired.
func (src *source) ready(ev *waitctx.Event) {
	place := int32(ev.Token & placeMask)
	if ev.Err != nil {
		ev.Err = waitError(src.spell(place), ev.Err)
	}
	first := src.flags&(drainable|undrained) == drainable
	if first {
		src.flags |= undrained
	}
	woke := false
	for t := src.waiters.head; t != nil; {
		after := t.after
		if t.place == place || t.place == anyPlace {
			src.waiters.remove(t)
			t.fired, t.became = place+1, ev.Ready
			src.s.runnable(t, ev.Err)
			woke = true
		}
		t = after
	}
	switch {
	case !woke:
		src.unawaited(ev, place, first)
	case src.fn != nil && !src.active:
		src.lookAnew() // fn is for what the jobs leave, if they do
	}
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

// keyAt returns the key of the wait at a place.
func (src *source) keyAt(place int32) (any, bool) {
	key, _, _, ok := src.wc.Find(src.Base() | waitctx.Token(place))
	return key, ok
}

// newOwn returns a source for a job's own waits.
func (s *Scheduler) newOwn() *source {
	var src *source
	if n := len(s.spare); n > 0 {
		src = s.spare[n-1]
		s.spare = s.spare[:n-1]
		src.stopped = false
	} else {
		own := new(ownSource)
		own.source.s, own.source.wc, own.flags = s, &own.wc, ofJob
		src = &own.source
	}
	if err := s.bind(src); err != nil {
		panic("jobs: " + err.Error()) // 16 million jobs: cannot be bound
	}
	return src
}

// retire closes a source; what the kernel holds is deleted at the end of the turn.
func (s *Scheduler) retire(src *source) {
	if src.stopped {
		return
	}
	src.stopped, src.fn, src.deadline = true, nil, 0
	src.quiet = nil
	src.flags &^= undrained
	if src.timerAt > 0 {
		src.timerAt = 0
		s.lapse()
	}
	src.wc.Close()
	if !src.wc.Dirty() {
		s.gone(src)
	}
}

// gone is called once the last delete of a retired source was acknowledged. One
// that had none to tell of may still be on s.dirty, and flush calls once more:
// by then the slot may be another's.
func (s *Scheduler) gone(src *source) {
	if s.slots.At(src.slot).src != src {
		return
	}
	s.unbind(src)
	if src.flags&ofJob != 0 && src.wc.Reset() && len(s.spare) < maxUnused {
		s.spare = append(s.spare, src)
	}
}

// flush applies the changes of all dirty contexts in one Apply. No job runs
// meanwhile; cleanups may, and what they change is applied by another round.
func (s *Scheduler) flush() {
	for len(s.dirty) > 0 {
		batch := s.dirty
		s.dirty, s.dirtySpare = s.dirtySpare[:0], nil
		s.changes = s.changes[:0]
		for _, src := range batch {
			s.changes = src.wc.Changes(s.changes)
			if src.waiters.head != nil {
				src.bereave()
			}
		}
		failed := s.apply(s.changes)
		s.acknowledge(batch, failed)
		s.dirtySpare = batch[:0]
		for i := range failed {
			if failed[i].Op == waitctx.OpDelete {
				return // tried again next turn, not in a loop here
			}
		}
	}
}

// acknowledge is the rest of a round of flush. A Cleanup that panics does not keep
// the other sources from it.
func (s *Scheduler) acknowledge(batch []*source, failed []waitctx.Change) {
	begun := 0
	defer func() {
		if begun < len(batch) {
			s.acknowledge(batch[begun:], failed)
		}
	}()
	for i, src := range batch {
		begun++
		batch[i] = nil
		src.dirty = false
		src.wc.Ack(failed...)
		if len(failed) > 0 {
			s.refused(src, failed)
		}
		if src.stopped && !src.wc.Dirty() {
			s.gone(src)
		}
	}
}

// apply returns the changes that the poller refused, and has their errors say what
// was refused.
func (s *Scheduler) apply(changes []waitctx.Change) (failed []waitctx.Change) {
	if len(changes) == 0 || s.poller.Apply(changes) == nil {
		return nil
	}
	for i := range changes {
		if c := &changes[i]; c.Err != nil {
			if src := s.lookup(c.Token); src != nil && c.Op != waitctx.OpDelete {
				c.Err = waitError(src.spell(int32(c.Token&placeMask)), c.Err)
			}
			failed = append(failed, *c)
		}
	}
	return failed
}

// refused resumes the jobs that wait on a source with what the kernel refused. A
// Watch that nobody waits on has its function started for that reason.
func (s *Scheduler) refused(src *source, failed []waitctx.Change) {
	for i := range failed {
		f := &failed[i]
		if s.lookup(f.Token) != src || f.Op == waitctx.OpDelete {
			continue
		}
		place := int32(f.Token & placeMask)
		told := false
		for t := src.waiters.head; t != nil; {
			after := t.after
			if t.place == anyPlace || t.place == place {
				s.wake(t, f.Err)
				told = true
			}
			t = after
		}
		switch {
		case src.stopped:
		case !src.active && src.fn != nil:
			s.startWatch(src, f.Err)
		case !told:
			src.untold(f.Err)
		}
	}
}
