package iocp

import "bide/waitctx"

// place is what a waitable's packets name. Each has one packet outstanding at
// most:
//
//	idle ─arm→ armed ─packet→ idle
//	armed ─disarm→ gone, at once or when the packet has come
type place struct {
	src  *source  // nil once its source is gone
	late waitable // what a packet is still to come of then, and is closed after it
	next uint32   // of the free list; 0 ends it
}

// openWaitLocked gives a source a place, and a duplicate of its handle.
func (p *Poller) openWaitLocked(src *source) error {
	w, err := p.sys.newWait(src.handle)
	if err != nil {
		return err
	}
	if p.freePlace == 0 {
		p.freePlace = uint32(len(p.places))
		p.places = append(p.places, place{})
	}
	src.wait, src.place = w, p.freePlace
	pc := &p.places[src.place]
	p.freePlace = pc.next
	*pc = place{src: src}
	return nil
}

// closeWaitLocked gives both back. The place is used again once no packet for it
// is to come.
func (p *Poller) closeWaitLocked(src *source) {
	late := src.armed && src.wait.disarm()
	if src.armed && !late {
		p.stats.Outstanding--
	}
	src.armed = false
	if late {
		pc := &p.places[src.place]
		pc.src, pc.late = nil, src.wait
		return
	}
	src.wait.close()
	p.freePlaceLocked(src.place)
}

func (p *Poller) freePlaceLocked(i uint32) {
	p.places[i] = place{next: p.freePlace}
	p.freePlace = i
}

// updateWaitLocked asks for a packet if anybody listens. While somebody is still
// to hear of the last signal, the next can wait. What was asked for stays so if
// the listeners are suppressed: to take it back might lose a signal. Only the
// waiter may call it.
func (p *Poller) updateWaitLocked(src *source) {
	listening, owed := false, false
	for i := src.first; i != 0; i = p.slots[i].next {
		if s := &p.slots[i]; !s.dead && !s.suppressed && readyOfWait(s.interest) != 0 {
			listening = true
			owed = owed || s.owed
		}
	}
	if !listening || owed || src.armed {
		return
	}
	signalled, err := src.wait.arm(uintptr(src.place))
	switch {
	case err != nil:
		p.loseLocked(src, err)
	case signalled:
		p.signalledLocked(src)
	default:
		src.armed = true
		p.stats.Outstanding++
	}
}

// feedWaitLocked takes a packet of a waitable.
func (p *Poller) feedWaitLocked(i uint32) {
	p.stats.Outstanding--
	src := p.places[i].src
	if src == nil {
		p.stats.Stale++
		p.places[i].late.close()
		p.freePlaceLocked(i)
		return
	}
	src.armed = false
	p.signalledLocked(src)
	p.queueUpdateLocked(src)
}

// signalledLocked owes everybody registered for a source a signal. Those who are
// suppressed hear of it after Rearm, unless it is of the sort that stays.
func (p *Poller) signalledLocked(src *source) {
	for i := src.first; i != 0; i = p.slots[i].next {
		s := &p.slots[i]
		if s.dead || s.suppressed && src.wait.level() {
			continue
		}
		s.owed = true
		if !s.suppressed {
			p.queueLocked(i)
		}
	}
}

// readyOfWait is what a signal means to a registration.
func readyOfWait(i waitctx.Interest) waitctx.Ready {
	var ready waitctx.Ready
	if i&waitctx.Readable != 0 {
		ready |= waitctx.ReadyIn
	}
	if i&waitctx.Writable != 0 {
		ready |= waitctx.ReadyOut
	}
	return ready
}
