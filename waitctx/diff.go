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

// Acquire makes the context one job's until Relinquish; a second job gets
// ErrBusy. Package jobs calls both.
func (c *WaitCtx) Acquire() error {
	if c.owned {
		return ErrBusy
	}
	c.owned = true
	return nil
}

// Relinquish ends the ownership that Acquire began.
func (c *WaitCtx) Relinquish() { c.owned = false }

// Consumer is told, by the call that did it, when a context that had nothing to
// report has something. It may be told again before it looks, if everything was
// taken back meanwhile.
//
// Changed must not call the context, which is in the middle of a change: it takes a
// note, and whoever looks at the notes asks for the Changes.
//
// One that has a method Base() Token besides, which returns what it called Bind
// with, saves the context from remembering that.
type Consumer interface{ Changed() }

// binding is a consumer that knows its base.
type binding interface {
	Consumer
	Base() Token
}

// remembered is the binding of one that does not, or of none.
type remembered struct {
	base     Token
	consumer Consumer
}

func (r *remembered) Base() Token { return r.base }

func (r *remembered) Changed() {
	if r.consumer != nil {
		r.consumer.Changed()
	}
}

// Bind takes the context over for a consumer, nil for one that asks Dirty
// instead: until Unbind its changes carry the token base|n, where n < MaxWaits
// is the place of the wait and Find turns such a token back into it. The low 16
// bits of base must be zero. A second consumer gets ErrBusy. Waits the kernel
// holds already are reported as modified, since their token is another. An
// unbound context uses the ID of each registration as its token.
func (c *WaitCtx) Bind(base Token, consumer Consumer) error {
	if c.consumer != nil {
		return ErrBusy
	}
	b, ok := consumer.(binding)
	if !ok {
		m := c.extra()
		m.binding = remembered{base &^ placeMask, consumer}
		b = &m.binding
	}
	c.consumer = b
	pending := c.Dirty()
	c.retokenAll()
	if pending {
		b.Changed()
	}
	return nil
}

// Unbind gives the context back, to be bound by the next consumer. Waits stay
// as they are.
func (c *WaitCtx) Unbind() {
	c.consumer = nil
	if c.more != nil {
		c.more.binding = remembered{}
	}
}

func (c *WaitCtx) retokenAll() {
	if c.used == 0 {
		return
	}
	for p := range c.size() {
		if e := c.at(p); e.state > fresh && !e.gone {
			e.rebound, e.retoken = true, false
			c.touch(p, e)
		}
	}
}

// Find returns the wait a token of this bound context stands for.
func (c *WaitCtx) Find(t Token) (key any, id ID, w Wait, ok bool) {
	p, ok := c.placeOf(t)
	if !ok {
		return nil, 0, Wait{}, false
	}
	e := c.at(p)
	if !e.found() {
		return nil, 0, Wait{}, false
	}
	c.wait(&w, p)
	return e.key, e.id, w, true
}

// Lookup is Find for a consumer that wants only the registration's name.
func (c *WaitCtx) Lookup(t Token) (ID, FD, bool) {
	p, ok := c.placeOf(t)
	if !ok {
		return 0, 0, false
	}
	e := c.at(p)
	return e.id, e.fd, e.found()
}

// placeOf is the place that a token of this bound context means.
func (c *WaitCtx) placeOf(t Token) (int32, bool) {
	p := int32(t & placeMask)
	return p, c.consumer != nil && t&^placeMask == c.consumer.Base() && p < c.size()
}

// ID returns the ID of the registration under key, or 0.
func (c *WaitCtx) ID(key any) ID {
	if p := c.find(key); p >= 0 {
		return c.at(p).id
	}
	return 0
}

// Place returns the place of the wait under key, which is in the low bits of
// its token, or -1.
func (c *WaitCtx) Place(key any) int {
	return int(c.find(key))
}
