package jobs

import "bide/waitctx"

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
	timerAt  int64 // of the timer in the heap, 0 for none, or passed
}

type sourceFlags uint8

const (
	ofJob     sourceFlags = 1 << iota // its own, which is used for others again
	lowJobs                           // fn is started as run at low priority
	drainable                         // its reader says when there is nothing left: see Watch.SetDrained
	undrained                         // it was told since
	told                              // somebody has heard that the deadline passed, which was not moved since
)

// ownSource is a job's own, with its context.
type ownSource struct {
	source
	wc waitctx.WaitCtx
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
		src.s.ready.wakeHost()
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
		src.recheckEdge() // fn is for what the jobs leave, if they do
	}
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
		s.unbindRetired(src)
	}
}

// unbindRetired is called once the last delete of a retired source was
// acknowledged. A Cleanup that retires its own source has it called in the middle of
// Ack, and flush calls once more: by then the slot may be another's.
func (s *Scheduler) unbindRetired(src *source) {
	if s.slots.At(src.slot).src != src {
		return
	}
	s.unbind(src)
	if src.flags&ofJob != 0 && src.wc.Reset() && len(s.spare) < maxUnused {
		s.spare = append(s.spare, src)
	}
}
