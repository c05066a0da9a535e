//go:build unix

package kqueue

import (
	"syscall"

	"bide/internal/kqsys"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// state is what filters said of a file: those that hold, those that said
// EV_EOF, and whether one of these came with an error.
type state struct {
	fired, eof filters
	failed     bool
}

// add takes in a row.
func (st *state) add(row *kqsys.Event) {
	x := bit(row.Filter)
	st.fired |= x
	if row.Flags&kqsys.EOF != 0 {
		st.eof |= x
		st.failed = st.failed || row.Fflags != 0 && x != excepts
	}
}

// merge takes in another state.
func (st *state) merge(o state) {
	st.fired |= o.fired
	st.eof |= o.eof
	st.failed = st.failed || o.failed
}

// brokenPipe is what EVFILT_WRITE would say of a pipe without a reader.
func (st *state) brokenPipe() {
	st.fired |= writes
	st.eof |= writes
}

// hangUp is what EV_EOF means, as ReadyHup and ReadyErr. A socket is hung up
// when both directions are; the reading end of a pipe when the writers are
// gone; and writing to a pipe without readers is an error, EPIPE.
func (st state) hangUp(k kind) waitctx.Ready {
	var ready waitctx.Ready
	switch k {
	case socket:
		if st.eof&reads != 0 && st.eof&writes != 0 {
			ready = waitctx.ReadyHup
		}
	case writer:
		if st.eof != 0 {
			ready = waitctx.ReadyErr
		}
	case duplex:
		if st.eof&reads != 0 {
			ready = waitctx.ReadyHup
		}
		if st.eof&writes != 0 {
			ready |= waitctx.ReadyErr
		}
	default:
		if st.eof != 0 {
			ready = waitctx.ReadyHup
		}
	}
	if st.failed {
		ready |= waitctx.ReadyErr
	}
	return ready
}

// readyOf translates what filters said, and filters it by interest, as others
// may share the knotes. Hang-up and error make a file readable and writable:
// no call on it blocks.
func readyOf(st state, k kind, i waitctx.Interest) waitctx.Ready {
	ready := st.hangUp(k)
	over := ready != 0
	if i&waitctx.Readable != 0 {
		if over || st.fired&reads != 0 {
			ready |= waitctx.ReadyIn
		}
		if st.eof&reads != 0 {
			ready |= waitctx.ReadyRdHup
		}
	}
	if i&waitctx.Writable != 0 && (over || st.fired&writes != 0) {
		ready |= waitctx.ReadyOut
	}
	if i&waitctx.Priority != 0 && st.fired&^st.eof&excepts != 0 {
		ready |= waitctx.ReadyPri
	}
	return ready
}

// completeLocked finds out what the rows of a number left open. If cut, there
// may be more rows of it than the list had room for.
func (p *Poller) completeLocked(fd int32, st state, cut bool) state {
	f := &p.files[fd]
	var open filters
	if cut {
		open = f.on &^ f.edge &^ st.fired
	}
	if f.kind == socket && st.eof != 0 {
		open |= (reads | writes) &^ st.fired
	}
	if f.broken {
		open &^= writes
		if st.eof&reads != 0 {
			st.brokenPipe()
		}
	}
	if open != 0 {
		asked := p.askLocked(fd, open)
		if cut {
			f.told = asked.fired & f.on &^ f.edge
		}
		st.merge(asked)
	}
	return st
}

// stateLocked is the state a registration is told of, as of now.
func (p *Poller) stateLocked(s *slot) state {
	what := reads | writes
	if s.interest&waitctx.Priority != 0 {
		what |= excepts
	}
	return p.askLocked(s.fd, what)
}

// askLocked runs filters on a descriptor, by a second kqueue that has knotes
// only for the time of the question. Whatever it cannot tell counts as not
// holding.
func (p *Poller) askLocked(fd int32, what filters) (st state) {
	if p.side == nil {
		side, err := p.sys.Open()
		if err != nil {
			return st
		}
		p.side = side
	}
	p.stats.Asked++
	changes, rows := &p.scratch.ask, p.scratch.answer[:]
	n := 0
	for _, filter := range order {
		if what&bit(filter) != 0 {
			changes[n] = kqsys.Event{Ident: uintptr(fd), Filter: filter, Flags: kqsys.Add}
			if filter == kqsys.Except {
				changes[n].Fflags = kqsys.OOB
			}
			n++
		}
	}
	refused := p.askOnce(changes[:n], rows, &st)
	if refused { // errors leave no room for events
		p.askOnce(nil, rows, &st)
	}
	for i := range n {
		changes[i].Flags = kqsys.Delete
	}
	p.askOnce(changes[:n], rows, &state{})
	return st
}

// askOnce reports whether some change was refused.
func (p *Poller) askOnce(changes, rows []kqsys.Event, st *state) (refused bool) {
	n, err := p.side.Kevent(changes, rows, &immediately)
	for errnoOf(err) == unix.EINTR {
		n, err = p.side.Kevent(changes, rows, &immediately)
	}
	for i := range n {
		row := &rows[i]
		if row.Flags&kqsys.Error == 0 {
			st.add(row)
			continue
		}
		refused = true
		errno := syscall.Errno(row.Data)
		if row.Filter == kqsys.Write && (errno == unix.EPIPE || errno == unix.EBADF) {
			st.brokenPipe()
		}
	}
	return refused
}
