package waitctx

import "sync/atomic"

const (
	placeBits = 16
	placeMask = 1<<placeBits - 1
	mapFrom   = 9 // entries from which keys are found by a map
)

// lastID numbers registrations for the whole process, so that an ID names one
// registration whichever context and poller it meets.
var lastID atomic.Uint64

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

type state uint8

const (
	unused state = iota
	fresh
	offered
	live
)

// found reports whether the entry is found by its key.
func (e *entry) found() bool { return e.state != unused && !e.gone }

// another is an entry besides the first, with what the first seldom has.
type another struct {
	entry
	data any
}

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

func (c *WaitCtx) extra() *more {
	if c.more == nil {
		c.more = new(more)
	}
	return c.more
}

// dataOf is where the Data of the wait at a place is kept.
func (m *more) dataOf(place int32) *any {
	if place == 0 {
		return &m.data
	}
	return &m.rest[place-1].data
}

// link is the place of an entry plus one, 0 for none.
type link uint16

func linkTo(place int32) link { return link(place + 1) }
func (l link) place() int32   { return int32(l) - 1 }

// lists holds the first entry that each Op is to be reported of, newest first: that
// of op is at op-1. An entry is on one list at most.
type lists [OpAdd]link

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

// touch has an entry reported that is not yet.
func (c *WaitCtx) touch(p int32, e *entry) {
	if e.list == 0 {
		c.mark(p, e, OpModify)
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
// recycled before its own cleanup runs, and one that panics keeps none of the others
// from theirs.
func (c *WaitCtx) cleanups() {
	defer func() {
		if c.doom != 0 {
			c.cleanups()
		}
	}()
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
