package waitctx

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync/atomic"
)

// Wait is one descriptor a job waits for.
type Wait struct {
	FD       FD
	Interest Interest // zero means Readable
	Kind     Kind
	Data     any // the producer's own; never looked at here
	// Cleanup, if set, runs once when the context drops the wait by itself: by
	// Release, by Close, or because the kernel refused it. It runs after the
	// delete was acknowledged, so it may close FD, on the goroutine that calls Ack,
	// Release or Close: the loop's, if that is a Scheduler, which it must not block.
	// Clear and Replace hand the wait back instead and do not run it.
	Cleanup func(key any, w Wait)
}

// MaxWaits is how many waits one context holds at a time, those included whose
// delete was not acknowledged yet.
const MaxWaits = 1<<placeBits - 1

const (
	placeBits = 16
	placeMask = 1<<placeBits - 1
	mapFrom   = 9 // entries from which keys are found by a map
)

// Errors of Set, Replace and SetInterest. ErrNoKey is of jobs.Job.WaitKey too.
var (
	ErrKeyExists = errors.New("waitctx: key is already set (use Replace)")
	ErrNoKey     = errors.New("waitctx: no such key")
	ErrBadKey    = errors.New("waitctx: key cannot be compared")
	ErrBadFD     = errors.New("waitctx: bad file descriptor")
	ErrFull      = fmt.Errorf("waitctx: more than %d waits", MaxWaits)
)

// lastID numbers registrations for the whole process, so that an ID names one
// registration whichever context and poller it meets.
var lastID atomic.Uint64

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

// link is the place of an entry plus one, 0 for none.
type link uint16

// lists holds the first entry that each Op is to be reported of, newest first: that
// of op is at op-1. An entry is on one list at most.
type lists [OpAdd]link

// more holds what few contexts need, so that the others stay small.
type more struct {
	data     any           // of the first entry
	rest     []another     // from place 1 on
	places   map[any]int32 // key to place, once there are mapFrom entries
	errs     map[any]error // why the kernel refused a wait, by key
	binding  remembered    // if the consumer does not remember it
	callback Callback
	arg      any
	status   Status
}

// entry is one registration. Its life:
//
//	unused ─Set→ fresh ─Changes→ offered ─Ack→ live ─Ack of delete→ unused
//
// fresh ─Clear→ unused at once, since nobody was told. From offered on, an
// entry leaves only by a delete that was reported and acknowledged (gone).
type entry struct {
	key     any
	fd      FD
	cleanup func(key any, w Wait)
	id      ID
	next    link // of a dirty list, the free or the doom list
	prev    link // of a dirty list

	interest Interest // wanted
	kind     Kind

	state   state
	list    Op       // the dirty list it is on, 0 for none
	told    Op       // what the last Changes said of this entry, 0 for nothing
	known   Interest // acknowledged
	offered Interest // handed out by an add or modify not yet acknowledged
	gone    bool     // cleared: invisible, its delete is on the way
	doomed  bool     // run cleanup when the delete is acknowledged
	rebound bool     // the kernel holds another token
	retoken bool     // the change last told carries the present token
}

// another is an entry besides the first, with what the first seldom has.
type another struct {
	entry
	data any
}

type state uint8

const (
	unused state = iota
	fresh
	offered
	live
)

func linkTo(place int32) link { return link(place + 1) }
func (l link) place() int32   { return int32(l) - 1 }

// found reports whether the entry is found by its key.
func (e *entry) found() bool { return e.state != unused && !e.gone }

func (c *WaitCtx) at(place int32) *entry {
	if place == 0 {
		return &c.first
	}
	return &c.more.rest[place-1].entry
}

// wait puts the wait at a place together again, in w, which is zero. Returned it
// would be copied, by loads that are wider than the stores before them, and so
// have to wait for those.
func (c *WaitCtx) wait(w *Wait, place int32) {
	e := c.at(place)
	w.FD, w.Interest, w.Kind, w.Cleanup = e.fd, e.interest, e.kind, e.cleanup
	if c.more != nil {
		w.Data = *c.more.dataOf(place)
	}
}

// dataOf is where the Data of the wait at a place is kept.
func (m *more) dataOf(place int32) *any {
	if place == 0 {
		return &m.data
	}
	return &m.rest[place-1].data
}

// size is the number of places, used or not.
func (c *WaitCtx) size() int32 {
	if c.more == nil {
		return 1
	}
	return int32(len(c.more.rest)) + 1
}

// find returns the place of key, or -1. It takes any key: comparing one that is
// set with it does not panic, as the former can be compared. To look it up in a
// map might.
func (c *WaitCtx) find(key any) int32 {
	if c.live == 0 {
		return -1
	}
	if e := &c.first; e.found() && e.key == key {
		return 0
	}
	m := c.more
	if m == nil {
		return -1
	}
	if m.places != nil {
		if canCompare(key) {
			if p, ok := m.places[key]; ok {
				return p
			}
		}
		return -1
	}
	for i := range m.rest {
		if e := &m.rest[i]; e.found() && e.key == key {
			return int32(i) + 1
		}
	}
	return -1
}

// canCompare reports whether key can be compared without a panic.
func canCompare(key any) bool {
	v := reflect.ValueOf(key)
	return partly>>v.Kind()&1 == 0 || v.Comparable()
}

// partly has a bit for each kind of which not every value can be compared.
const partly = 1<<reflect.Slice | 1<<reflect.Map | 1<<reflect.Func | 1<<reflect.Struct | 1<<reflect.Array

const anyInterest = Readable | Writable | Priority | Silent | Edge

// accepts reports whether a wait may be set.
func (c *WaitCtx) accepts(key any, fd FD, i Interest) bool {
	return !c.closed && fd != BadFD && i <= anyInterest && canCompare(key)
}

// refusal is the error of what accepts does not accept.
func (c *WaitCtx) refusal(key any, fd FD, i Interest) error {
	switch {
	case c.closed:
		return ErrClosed
	case !canCompare(key):
		return fmt.Errorf("%w: %T", ErrBadKey, key)
	case fd == BadFD:
		return ErrBadFD
	}
	return fmt.Errorf("waitctx: unknown interest %#x", uint8(i))
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
	if w.Interest == 0 {
		e.interest = Readable
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

// grow adds a place to the free list, and reports whether it could.
func (c *WaitCtx) grow() bool {
	p := c.size()
	if p >= MaxWaits {
		return false
	}
	m := c.extra()
	m.rest = append(m.rest, another{})
	c.free = linkTo(p)
	return true
}

// index builds the map from key to place.
func (c *WaitCtx) index() {
	m := c.extra()
	m.places = make(map[any]int32, 2*mapFrom)
	for p := range c.size() {
		if e := c.at(p); e.found() {
			m.places[e.key] = p
		}
	}
}

func (c *WaitCtx) extra() *more {
	if c.more == nil {
		c.more = new(more)
	}
	return c.more
}

// mark puts an entry on a dirty list, and tells the consumer if it is the first
// on any.
func (c *WaitCtx) mark(p int32, e *entry, op Op) {
	first := !c.Dirty()
	if e.list != 0 {
		c.unlink(e)
	}
	c.push(p, e, op)
	if first && c.consumer != nil {
		c.consumer.Changed()
	}
}

// push puts an entry on a dirty list.
func (c *WaitCtx) push(p int32, e *entry, op Op) {
	head := &c.dirty[op-1]
	e.list, e.prev, e.next = op, 0, *head
	if *head != 0 {
		c.at(head.place()).prev = linkTo(p)
	}
	*head = linkTo(p)
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
	if i == 0 {
		i = Readable
	}
	if e.interest != i {
		e.interest = i
		c.touch(p, e)
	}
	return nil
}

// touch has an entry reported that is not yet.
func (c *WaitCtx) touch(p int32, e *entry) {
	if e.list == 0 {
		c.mark(p, e, OpModify)
	}
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

// forgetError has Err forget a key.
func (c *WaitCtx) forgetError(key any) {
	if len(c.more.errs) != 0 && canCompare(key) {
		delete(c.more.errs, key)
	}
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

// unlink takes an entry off its dirty list.
func (c *WaitCtx) unlink(e *entry) {
	if e.prev == 0 {
		c.dirty[e.list-1] = e.next
	} else {
		c.at(e.prev.place()).next = e.next
	}
	if e.next != 0 {
		c.at(e.next.place()).prev = e.prev
	}
}

// retire ends an entry that is on no list: through the doom list if its
// cleanup is due, else at once.
func (c *WaitCtx) retire(p int32, e *entry) {
	e.list = 0
	if e.doomed {
		e.next, c.doom = c.doom, linkTo(p)
		return
	}
	c.recycle(p, e)
}

func (c *WaitCtx) recycle(p int32, e *entry) {
	*e = entry{}
	if m := c.more; m != nil {
		*m.dataOf(p) = nil
	}
	if p != 0 {
		e.next, c.free = c.free, linkTo(p)
	}
	if c.used--; c.used == 0 && c.size() > 64 {
		c.more.rest, c.more.places, c.free = nil, nil, 0 // a large context that emptied keeps nothing
	}
}

// cleanups runs what is due. A cleanup may call any method: each entry is
// recycled before its own cleanup runs.
func (c *WaitCtx) cleanups() {
	for c.doom != 0 {
		p := c.doom.place()
		e := c.at(p)
		key, w := e.key, Wait{}
		c.wait(&w, p)
		c.doom = e.next
		c.recycle(p, e)
		w.Cleanup(key, w)
	}
}

// All iterates over the waits in no particular order. The context must not be
// changed meanwhile.
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
