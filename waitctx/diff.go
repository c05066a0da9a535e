package waitctx

import "slices"

// Dirty reports whether Changes may return something. An interest set and set
// back leaves it true until the next Ack.
func (c *WaitCtx) Dirty() bool { return c.dirty[0]|c.dirty[1]|c.dirty[2] != 0 }

// Changes appends to dst what a poller must be told: deletes, then modifies,
// then adds. It is a peek: until Ack, the next call reports the same again,
// brought up to date. Its cost is in the number of changes, never of waits.
func (c *WaitCtx) Changes(dst []Change) []Change {
	for list := range c.dirty {
		for p := c.dirty[list]; p != 0; {
			place := p.place()
			e := c.at(place)
			p = e.next
			e.told = Op(list + 1)
			if e.told != OpDelete {
				if e.told == OpModify && e.pending() == 0 {
					e.told = 0
					continue
				}
				e.offered, e.retoken = e.interest, true
				if e.state == fresh {
					e.state = offered
				}
			}
			if len(dst) == cap(dst) {
				dst = slices.Grow(dst, 1)
			}
			dst = dst[:len(dst)+1]
			ch := &dst[len(dst)-1] // filled in where it lies: see wait
			ch.Op, ch.ID, ch.FD, ch.Kind, ch.Interest, ch.Err = e.told, e.id, e.fd, e.kind, e.interest, nil
			ch.Token = Token(e.id)
			if c.consumer != nil {
				ch.Token = c.consumer.Base() | Token(place)
			}
		}
	}
	return dst
}

// pending is what has to be told of an entry now.
func (e *entry) pending() Op {
	switch {
	case e.gone:
		return OpDelete
	case e.state != live:
		return OpAdd
	case e.interest != e.known || e.offered != e.known || e.rebound:
		return OpModify
	}
	return 0
}

// Ack says that what the last Changes returned has been applied, except for
// the failed ones, given with their Err. What was changed after that Changes
// stays pending.
//
// A wait whose add failed is removed, its cleanup runs, and Err keeps the
// reason under its key. A failed modify leaves the interest that was
// acknowledged before, and Err keeps the reason. A failed delete stays pending.
func (c *WaitCtx) Ack(failed ...Change) {
	for list := range c.dirty {
		p := c.dirty[list]
		c.dirty[list] = 0
		for p != 0 {
			place := p.place()
			e := c.at(place)
			p, e.list = e.next, 0
			if len(failed) > 0 && c.refused(place, e, failed) {
				continue
			}
			switch e.told {
			case OpDelete:
				c.retire(place, e)
				continue
			case OpAdd, OpModify:
				e.state, e.known = live, e.offered
				if e.retoken { // else a Bind came after it was told
					e.rebound = false
				}
			}
			c.keep(place, e)
		}
	}
	if c.consumer != nil && c.Dirty() {
		c.consumer.Changed()
	}
	if c.doom != 0 {
		c.cleanups()
	}
}

// refused is Ack for an entry that may be among the failed, and reports whether
// it is.
func (c *WaitCtx) refused(place int32, e *entry, failed []Change) bool {
	if e.told == 0 {
		return false
	}
	i := slices.IndexFunc(failed, func(f Change) bool { return f.ID == e.id })
	if i < 0 {
		return false
	}
	if !e.gone {
		c.keepError(e.key, failed[i].Err)
	}
	switch e.told {
	case OpAdd:
		if !e.gone { // else Clear took it already, and its descriptor with it
			c.live--
			e.gone, e.doomed = true, e.cleanup != nil
			if c.more.places != nil {
				delete(c.more.places, e.key)
			}
		}
		c.retire(place, e)
		return true
	case OpModify:
		if e.interest == e.offered {
			e.interest = e.known
		}
		e.offered = e.known
		if e.retoken {
			e.rebound = false
		}
	}
	c.keep(place, e)
	return true
}

// keep leaves an entry in the context after an Ack, to be told of again if
// something has changed since. The list for that is one that Ack has emptied.
func (c *WaitCtx) keep(place int32, e *entry) {
	e.told = 0
	if op := e.pending(); op != 0 {
		c.push(place, e, op)
	}
}

// keepError keeps the kernel's reason under the key.
func (c *WaitCtx) keepError(key any, err error) {
	m := c.extra()
	if m.errs == nil {
		m.errs = make(map[any]error, 1)
	}
	m.errs[key] = err
}
