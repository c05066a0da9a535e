package jobs

import "bide/waitctx"

// flush applies the changes of all dirty contexts in one Apply. No job runs
// meanwhile; cleanups may, and what they change is applied by another round.
func (s *Scheduler) flush() {
	for len(s.dirty) > 0 {
		batch := s.dirty
		s.dirty, s.dirtySpare = s.dirtySpare[:0], nil
		s.changes = s.changes[:0]
		for i, src := range batch {
			if s.slots.At(src.slot).src != src { // unbound: its context may be another's by now
				src.dirty = false
				batch[i] = nil
				continue
			}
			s.changes = src.wc.Changes(s.changes)
			if src.waiters.head != nil {
				src.cancelLostKeys()
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

// cancelLostKeys resumes the jobs that await a wait by its key that is gone from
// the context: another may have its place by now.
func (src *source) cancelLostKeys() {
	for t := src.waiters.head; t != nil; {
		after := t.after
		if t.keyed {
			if _, id, _, ok := src.wc.Find(src.Base() | waitctx.Token(t.place)); !ok || int64(id) != t.until {
				src.s.wake(t, ErrCanceled)
			}
		}
		t = after
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
		if src == nil {
			continue
		}
		batch[i] = nil
		src.dirty = false
		s.acknowledgeOne(src, failed)
	}
}

// acknowledgeOne is acknowledge for one of the batch. It does its part also if a
// Cleanup panics.
func (s *Scheduler) acknowledgeOne(src *source, failed []waitctx.Change) {
	defer func() {
		if len(failed) > 0 {
			s.refused(src, failed)
		}
		if src.stopped && !src.wc.Dirty() {
			s.unbindRetired(src)
		}
	}()
	src.wc.Ack(failed...)
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
		case src.stopped || told:
		case !src.active && src.fn != nil:
			s.startWatch(src, f.Err)
		default:
			src.keepRefusal(f.Err)
		}
	}
}
