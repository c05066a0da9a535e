package waitctx

import "iter"

// WaitCtx is a keyed set of waits that reports how it changed. The zero value
// is an empty context ready for use. It must not be copied after first use and
// holds no lock: all calls come from its owner, the goroutine that runs the
// job or the loop.
type WaitCtx struct {
	first entry // most contexts have one wait: it lies here, at place 0

	dirty lists // entries with something to report
	free  link  // the first free entry of more.rest
	doom  link  // the first entry whose cleanup is due

	live   uint16 // entries found by key
	used   uint16 // entries in use, those being deleted included
	owned  bool
	closed bool

	consumer binding // that the context is bound to
	more     *more   // what few contexts need
}

// Set adds a wait under a key chosen by the producer: anything comparable. It
// returns ErrKeyExists if the key is set, ErrBadKey, ErrBadFD, ErrFull, and
// ErrClosed after Close. It forgets an error kept under the key.
func (c *WaitCtx) Set(key any, w Wait) error {
	if !c.accepts(key, w.FD, w.Interest) {
		return c.refusal(key, w.FD, w.Interest)
	}
	if c.live != 0 && c.find(key) >= 0 {
		return ErrKeyExists
	}
	return c.insert(key, &w)
}

func (c *WaitCtx) insert(key any, w *Wait) error {
	p, e := int32(0), &c.first
	if e.state != unused {
		if c.free == 0 && !c.grow() {
			return ErrFull
		}
		p = c.free.place()
		e = c.at(p)
		c.free = e.next
	}
	e.key, e.fd, e.interest, e.kind, e.cleanup = key, w.FD, w.Interest, w.Kind, w.Cleanup // the rest is zero
	e.id, e.state = ID(lastID.Add(1)), fresh
	if w.Interest&^Edge == 0 {
		e.interest |= Readable
	}
	if w.Data != nil {
		*c.extra().dataOf(p) = w.Data
	}
	c.used++
	c.live++
	first := !c.Dirty() // mark, written out for speed
	c.push(p, e, OpAdd)
	if first && c.consumer != nil {
		c.consumer.Changed()
	}
	if m := c.more; m != nil {
		c.forgetError(key)
		if m.places != nil {
			m.places[key] = p
		} else if c.used >= mapFrom {
			c.index()
		}
	}
	return nil
}

// Replace puts w in the place of the wait under key and hands the old one back
// without its cleanup, as Clear followed by Set: a new registration, even for
// the same descriptor. It returns ErrNoKey if there is none.
func (c *WaitCtx) Replace(key any, w Wait) (old Wait, err error) {
	if !c.accepts(key, w.FD, w.Interest) {
		return old, c.refusal(key, w.FD, w.Interest)
	}
	p := c.find(key)
	if p < 0 {
		return old, ErrNoKey
	}
	if c.used >= MaxWaits && c.at(p).state != fresh {
		return old, ErrFull
	}
	c.wait(&old, p)
	c.drop(p, false)
	return old, c.insert(key, &w)
}

// SetInterest changes what the wait under key is for. Zero means Readable. It returns
// ErrNoKey, ErrBadKey, and ErrClosed after Close; whether the kernel took the change
// Err tells, once it was applied.
func (c *WaitCtx) SetInterest(key any, i Interest) error {
	if !c.accepts(key, 0, i) {
		return c.refusal(key, 0, i)
	}
	p := c.find(key)
	if p < 0 {
		return ErrNoKey
	}
	e := c.at(p)
	if i&^Edge == 0 {
		i |= Readable
	}
	if e.interest != i {
		e.interest = i
		c.touch(p, e)
	}
	return nil
}

// Get returns the wait under key.
func (c *WaitCtx) Get(key any) (w Wait, ok bool) {
	if p := c.find(key); p >= 0 {
		c.wait(&w, p)
		return w, true
	}
	return w, false
}

// Clear removes the wait under key and hands it back; its cleanup does not run
// and its descriptor is the caller's again. To close the descriptor use
// Release instead: here the kernel may still hold it until the delete has been
// applied.
func (c *WaitCtx) Clear(key any) (w Wait, ok bool) {
	ok = c.clear(key, &w)
	return
}

// clear is Clear, which is inlined: else its caller would copy the wait once more.
// See wait.
func (c *WaitCtx) clear(key any, w *Wait) bool {
	if c.more != nil {
		c.forgetError(key)
	}
	p := c.find(key)
	if p < 0 {
		return false
	}
	c.wait(w, p)
	c.drop(p, false)
	return true
}

// Release removes the wait under key and runs its cleanup once the delete is
// acknowledged, or at once if nobody was told of the wait. It reports whether
// there was one.
func (c *WaitCtx) Release(key any) bool {
	if c.more != nil {
		c.forgetError(key)
	}
	if p := c.find(key); p >= 0 {
		c.drop(p, true)
		c.cleanups()
		return true
	}
	return false
}

// drop makes the entry invisible. One that was never handed out is freed, or
// put on the doom list for its cleanup.
func (c *WaitCtx) drop(p int32, cleanup bool) {
	e := c.at(p)
	c.live--
	if c.more != nil && c.more.places != nil {
		delete(c.more.places, e.key)
	}
	e.gone, e.doomed = true, cleanup && e.cleanup != nil
	if e.state != fresh {
		c.mark(p, e, OpDelete)
		return
	}
	c.unlink(e)
	c.retire(p, e)
}

// All iterates over the waits in no particular order. The context must not be
// changed meanwhile. In the context of a job of package jobs there are besides those of
// Job.Wait, whose keys are of a type of that package.
func (c *WaitCtx) All() iter.Seq2[any, Wait] {
	return func(yield func(any, Wait) bool) {
		for p := range c.size() {
			e := c.at(p)
			if !e.found() {
				continue
			}
			var w Wait
			c.wait(&w, p)
			if !yield(e.key, w) {
				return
			}
		}
	}
}

// Len is the number of waits, those not yet reported included.
func (c *WaitCtx) Len() int { return int(c.live) }

// Err returns why the kernel refused the wait under key, or a change of its
// interest; nil if it refused neither. The error is kept, whatever succeeds later,
// until the key is set, cleared or released: also if a refused Set has left no wait to
// clear.
func (c *WaitCtx) Err(key any) error {
	if c.more == nil || !canCompare(key) {
		return nil
	}
	return c.more.errs[key]
}

// forgetError has Err forget a key.
func (c *WaitCtx) forgetError(key any) {
	if len(c.more.errs) != 0 && canCompare(key) {
		delete(c.more.errs, key)
	}
}

// Close removes every wait: a delete for each that the kernel may hold, whose
// cleanup runs at its Ack; the cleanups of the others run now. Whoever applies
// the changes must still do so once more. Later calls of Set, Replace and SetInterest
// return ErrClosed; a second Close does nothing. It always returns nil.
func (c *WaitCtx) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	for p := int32(0); p < c.size(); p++ { // the last drop may let go of rest
		if e := c.at(p); e.found() {
			c.drop(p, true)
		}
	}
	c.cleanups()
	return nil
}

// Closed reports whether Close was called.
func (c *WaitCtx) Closed() bool { return c.closed }

// Reset makes a context as new, and reports whether it could: not while it has waits,
// or deletes to be acknowledged, is bound, or is a job's. Callback, status and kept
// errors are forgotten.
func (c *WaitCtx) Reset() bool {
	if c.used != 0 || c.owned || c.consumer != nil {
		return false
	}
	*c = WaitCtx{}
	return true
}
