//go:build unix

package kqueue

import (
	"bide/internal/kqsys"
	"bide/waitctx"
)

// filters is a set of filters.
type filters uint8

const (
	reads   filters = 1 << (kqsys.Read - 1)
	writes  filters = 1 << (kqsys.Write - 1)
	excepts filters = 1 << (kqsys.Except - 1)
)

// order is the order of the changes of one number: old kernels mistake READ
// before WRITE in one call.
var order = [...]kqsys.Filter{kqsys.Write, kqsys.Read, kqsys.Except}

func bit(f kqsys.Filter) filters { return 1 << (f - 1) }

// of is what an interest needs of a file: filters that report a state, and
// filters of which only EV_EOF counts. The latter have EV_CLEAR, or they would
// report data that nobody waits for without end.
func (f *file) of(i waitctx.Interest) (level, edge filters) {
	if i&waitctx.Readable != 0 {
		level |= reads
	}
	if i&waitctx.Writable != 0 {
		level |= writes
	}
	if level == 0 {
		if f.over {
			level = reads
		} else {
			edge = reads | writes
		}
	}
	if i&waitctx.Priority != 0 {
		level |= excepts &^ f.deaf
	}
	if f.broken { // the other filter says so too
		if (level|edge)&writes != 0 {
			level |= reads
		}
		level, edge = level&^writes, edge&^writes
	}
	return level, edge &^ level
}

// wantLocked is what a number's chain needs: all of it, and what those
// listening need.
func (p *Poller) wantLocked(fd int32) (all, level, edge filters) {
	f := &p.files[fd]
	for i := f.first; i != 0 && !p.slots[i].dead; i = p.slots[i].next {
		l, e := f.of(p.slots[i].interest)
		all |= l | e
		if !p.slots[i].suppressed {
			level |= l
			edge |= e
		}
	}
	return all, level, edge &^ level
}

// armedLocked reports whether the kernel returns what a number's chain listens
// for.
func (p *Poller) armedLocked(fd int32) bool {
	f := &p.files[fd]
	_, level, edge := p.wantLocked(fd)
	return (level|edge)&^f.on == 0 && level&f.edge == 0
}

// planLocked puts into the batch what brings a number's knotes up to date.
//
// EV_ADD would make a knote of whatever file has the number now. So if there
// are others already, one of them is changed first, to what it is: should the
// number have been closed, that fails.
func (p *Poller) planLocked(fd int32, s step) {
	f, b := &p.files[fd], &p.batch
	all, level, edge := p.wantLocked(fd)
	s.fd, s.from = fd, len(b.changes)
	if all&^f.have != 0 || (level|edge)&^f.on != 0 || level&f.edge != 0 {
		p.probeLocked(fd)
	}
	for _, filter := range order {
		x := bit(filter)
		have, on, listens := f.have&x != 0, f.on&x != 0, (level|edge)&x != 0
		enable := kqsys.Add | kqsys.Enable
		if edge&x != 0 {
			enable |= kqsys.Clear
		}
		switch {
		case all&x == 0:
			if have {
				p.changeLocked(fd, filter, kqsys.Delete)
			}
		case !listens && !have:
			p.changeLocked(fd, filter, kqsys.Add|kqsys.Disable)
		case !listens && on:
			p.changeLocked(fd, filter, kqsys.Disable)
		case listens && have && f.edge&x != edge&x: // an EV_ADD leaves EV_CLEAR as it is
			p.changeLocked(fd, filter, kqsys.Delete)
			p.changeLocked(fd, filter, enable)
		case listens && !on:
			p.changeLocked(fd, filter, enable)
		}
	}
	s.to = len(b.changes)
	if s.to > s.from {
		b.steps = append(b.steps, s)
	}
	if all == 0 {
		f.renew(other) // what the kernel still says of it is stale
	}
}

// probeLocked puts a change into the batch that changes nothing, if there is a
// knote for it.
func (p *Poller) probeLocked(fd int32) {
	f := &p.files[fd]
	for _, filter := range order {
		switch x := bit(filter); {
		case f.on&x != 0:
			p.changeLocked(fd, filter, kqsys.Enable)
			return
		case f.have&x != 0:
			p.changeLocked(fd, filter, kqsys.Disable)
			return
		}
	}
}

// changeLocked appends one change. It always carries udata, since any change
// sets that of the knote.
func (p *Poller) changeLocked(fd int32, filter kqsys.Filter, flags kqsys.Flags) {
	c := kqsys.Event{Ident: uintptr(fd), Filter: filter, Flags: flags, Udata: uintptr(p.files[fd].gen)}
	if filter == kqsys.Except {
		c.Fflags = kqsys.OOB
	}
	p.batch.changes = append(p.batch.changes, c)
}

// note is what a change does to a file's knotes.
func (f *file) note(x filters, flags kqsys.Flags) {
	switch {
	case flags&kqsys.Delete != 0:
		f.have, f.on, f.edge = f.have&^x, f.on&^x, f.edge&^x
		return
	case flags&kqsys.Add != 0 && f.have&x == 0:
		f.have |= x
		if flags&kqsys.Clear != 0 {
			f.edge |= x
		}
	}
	if flags&kqsys.Disable != 0 {
		f.on &^= x
	} else {
		f.on |= x
	}
}
