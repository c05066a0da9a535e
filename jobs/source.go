package jobs

import (
	"bide/waitctx"
)

// source is a WaitCtx bound to a scheduler: a job's own, one handed to GoOn,
// or a Watch's.
type source struct {
	s    *Scheduler
	wc   *waitctx.WaitCtx
	slot uint32

	waiters *task // jobs paused on it, linked by task.link
	fn      func(Job) error
	quiet   []quietWait // ready, unawaited, and so suppressed in the poller

	deadline int64 // loop time, 0 for none
	timerAt  int64 // of the timer in the heap, 0 for none

	dirty   bool // on s.dirty
	stopped bool
	active  bool // a job that fn was started as has not ended
	low     bool
	inline  *waitctx.WaitCtx // a job's own context, reused with the source
}

type quietWait struct {
	fd waitctx.FD
	id waitctx.ID
}

const (
	slotBits  = 24
	slotShift = 16
	genShift  = slotShift + slotBits
)

// slotEntry gives a slot's tokens their meaning.
type slotEntry struct {
	src *source
	gen uint32
}

// bind takes wc over: its tokens become generation, slot and place.
func (s *Scheduler) bind(src *source) error {
	var slot uint32
	if n := len(s.freeSlots); n > 0 {
		slot = s.freeSlots[n-1]
	} else {
		slot = uint32(len(s.slots))
		if slot >= 1<<slotBits {
			return ErrNoJobs
		}
	}
	var gen uint32
	if int(slot) < len(s.slots) {
		gen = s.slots[slot].gen
	}
	if err := src.wc.Bind(waitctx.Token(gen)<<genShift | waitctx.Token(slot)<<slotShift); err != nil {
		return err
	}
	if int(slot) == len(s.slots) {
		s.slots = append(s.slots, slotEntry{})
	} else {
		s.freeSlots = s.freeSlots[:len(s.freeSlots)-1]
	}
	s.slots[slot].src = src
	src.slot = slot
	return nil
}

// unbind ends the slot's generation: tokens still on their way are dropped.
func (s *Scheduler) unbind(src *source) {
	src.wc.Unbind()
	e := &s.slots[src.slot]
	e.src = nil
	e.gen = (e.gen + 1) & (1<<(64-genShift) - 1)
	s.freeSlots = append(s.freeSlots, src.slot)
}

// lookup returns the source a token belongs to, or nil for a stale one.
func (s *Scheduler) lookup(t waitctx.Token) *source {
	slot := uint32(t>>slotShift) & (1<<slotBits - 1)
	if int(slot) >= len(s.slots) {
		return nil
	}
	e := &s.slots[slot]
	if e.gen != uint32(t>>genShift) {
		return nil
	}
	return e.src
}

// touch puts the source on the list of those whose changes are applied at the
// end of the turn.
func (s *Scheduler) touch(src *source) {
	if !src.dirty && src.wc.Dirty() {
		src.dirty = true
		s.dirty = append(s.dirty, src)
	}
}

// hush suppresses a wait that fired with nobody awaiting it.
func (s *Scheduler) hush(src *source, fd waitctx.FD, id waitctx.ID) {
	for i := range src.quiet {
		if src.quiet[i].id == id {
			return
		}
	}
	src.quiet = append(src.quiet, quietWait{fd, id})
	s.poller.Suppress(fd, id)
}

// listen rearms what was suppressed: the wait id, or all of them for 0.
func (s *Scheduler) listen(src *source, id waitctx.ID) {
	if len(src.quiet) == 0 {
		return
	}
	kept := src.quiet[:0]
	for _, q := range src.quiet {
		if id != 0 && q.id != id {
			kept = append(kept, q)
			continue
		}
		s.poller.Rearm(q.fd, q.id)
	}
	src.quiet = kept
}

// ready tells the source that the wait behind token fired.
func (s *Scheduler) ready(src *source, ev *waitctx.Event) {
	id, fd, ok := src.wc.Lookup(ev.Token)
	if !ok {
		return
	}
	woke := false
	for link := &src.waiters; *link != nil; {
		t := *link
		if t.onID != 0 && t.onID != id {
			link = &t.link
			continue
		}
		*link, t.link = t.link, nil
		t.on = nil
		s.runnable(t, ev.Err)
		woke = true
	}
	if woke {
		return
	}
	if src.fn != nil && !src.active && !src.stopped {
		s.startWatch(src, ev.Err)
		return
	}
	s.stats.Unawaited++
	s.hush(src, fd, id)
}

// remove takes a job off the waiters.
func (src *source) remove(t *task) {
	for link := &src.waiters; *link != nil; link = &(*link).link {
		if *link == t {
			*link, t.link = t.link, nil
			return
		}
	}
}

// ownSource returns the source of the job's own waits, made when first needed.
func (s *Scheduler) ownSource(t *task) *source {
	if t.own != nil {
		return t.own
	}
	var src *source
	if n := len(s.spare); n > 0 {
		src = s.spare[n-1]
		s.spare = s.spare[:n-1]
	} else {
		src = &source{s: s, inline: new(waitctx.WaitCtx)}
		src.wc = src.inline
	}
	src.stopped = false
	if err := s.bind(src); err != nil {
		panic("jobs: " + err.Error()) // 16 million jobs: cannot be bound
	}
	t.own = src
	return src
}

// retire closes a source; what the kernel holds is deleted at the end of the turn.
func (s *Scheduler) retire(src *source) {
	if src.stopped {
		return
	}
	src.stopped, src.fn, src.deadline = true, nil, 0
	src.quiet = src.quiet[:0]
	src.wc.Close()
	s.touch(src)
	if !src.dirty {
		s.gone(src)
	}
}

// gone is called once the last delete of a retired source was acknowledged.
func (s *Scheduler) gone(src *source) {
	s.unbind(src)
	if src.inline != nil && src.wc.Reset() && len(s.spare) < s.maxIdle {
		s.spare = append(s.spare, src)
	}
}

// flush applies the changes of all dirty contexts in one Apply. No job runs
// meanwhile; cleanups may.
func (s *Scheduler) flush() {
	for len(s.dirty) > 0 {
		batch := s.dirty
		s.dirty = s.dirtySpare[:0]
		s.changes = s.changes[:0]
		for _, src := range batch {
			s.changes = src.wc.Changes(s.changes)
		}
		var failed []waitctx.Change
		if len(s.changes) > 0 {
			if err := s.poller.Apply(s.changes); err != nil {
				for i := range s.changes {
					if s.changes[i].Err != nil {
						failed = append(failed, s.changes[i])
					}
				}
			}
		}
		for i, src := range batch {
			src.dirty = false
			src.wc.Ack(failed...)
			if len(failed) > 0 {
				s.refused(src, failed)
			}
			s.touch(src)
			if src.stopped && !src.dirty {
				s.gone(src)
			}
			batch[i] = nil
		}
		s.dirtySpare = batch[:0]
		if s.onlyDeletesFailed(failed) {
			break // tried again next turn, not in a loop here
		}
	}
}

func (s *Scheduler) onlyDeletesFailed(failed []waitctx.Change) bool {
	for i := range failed {
		if failed[i].Op == waitctx.OpDelete {
			return true
		}
	}
	return false
}

// refused resumes the jobs that wait on a source with what the kernel refused.
func (s *Scheduler) refused(src *source, failed []waitctx.Change) {
	for i := range failed {
		f := &failed[i]
		if s.lookup(f.Token) != src || f.Op == waitctx.OpDelete {
			continue
		}
		for t := src.waiters; t != nil; {
			next := t.link
			if t.onID == 0 || t.onID == f.ID {
				s.wake(t, f.Err)
			}
			t = next
		}
	}
}
