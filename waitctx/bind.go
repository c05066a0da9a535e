package waitctx

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
