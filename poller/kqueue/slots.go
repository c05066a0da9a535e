//go:build unix

package kqueue

import (
	"os"
	"syscall"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// slot is one registration. The slots of one number form a chain, the living
// before the dead.
type slot struct {
	gen  uint32 // of the slot, for refs
	next uint32 // of the chain or the free list; 0 ends it
	fd   int32

	id    waitctx.ID
	token waitctx.Token

	interest   waitctx.Interest
	suppressed bool // silent until Rearm
	dead       bool // its file is gone; stays so until it is deleted
	queued     bool // in the backlog
}

// ref names a slot and its use, so that it can be told from a later use.
type ref struct{ index, gen uint32 }

// file is a number and the file that is registered under it.
type file struct {
	first uint32 // slot of the chain
	gen   uint32 // the udata of its knotes, another for each file
	kind  kind

	have filters // knotes the kernel holds
	on   filters // those it may return
	edge filters // those added with EV_CLEAR

	told   filters // those with a row to come that was told before it came
	deaf   filters // those with nothing more to say
	broken bool    // a pipe whose reader was gone before EVFILT_WRITE was added
	over   bool    // hang-up or error, when it was last looked at

	listed  bool  // in scratch.seen
	rearmed bool  // in rearms
	now     state // what the rows under way say
}

// renew begins with another file.
func (f *file) renew(k kind) {
	*f = file{first: f.first, gen: f.gen + 1, kind: k, listed: f.listed, rearmed: f.rearmed}
}

// kind is what decides the meaning of EV_EOF.
type kind uint8

const (
	other  kind = iota
	socket      // each direction ends by itself
	reader      // the reading end of a pipe
	writer      // the writing end
	duplex      // an end of a pipe that does both, as on FreeBSD
)

// kindOf looks at a descriptor. Regular files and directories are refused:
// EVFILT_READ means "not at the end" for them, EVFILT_WRITE is missing, and
// directories have neither everywhere.
func kindOf(fd int) (kind, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		return 0, waitctx.ErrNotPollable
	case unix.S_IFSOCK:
		return socket, nil
	case unix.S_IFIFO:
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return 0, os.NewSyscallError("fcntl", err)
		}
		switch flags & unix.O_ACCMODE {
		case unix.O_RDONLY:
			return reader, nil
		case unix.O_WRONLY:
			return writer, nil
		}
		return duplex, nil
	}
	return other, nil
}

// allocLocked takes a slot from the free list.
func (p *Poller) allocLocked() uint32 {
	i := p.free
	if i == 0 {
		p.slots = append(p.slots, slot{})
		return uint32(len(p.slots) - 1)
	}
	p.free = p.slots[i].next
	p.slots[i].next = 0
	return i
}

// releaseLocked puts a slot that is in no chain on the free list.
func (p *Poller) releaseLocked(i uint32) {
	p.slots[i] = slot{gen: p.slots[i].gen + 1, next: p.free}
	p.free = i
}

// findLocked returns the slot of a registration, or 0.
func (p *Poller) findLocked(fd waitctx.FD, id waitctx.ID) uint32 {
	if fd >= waitctx.FD(len(p.files)) {
		return 0
	}
	i := p.files[fd].first
	for i != 0 && p.slots[i].id != id {
		i = p.slots[i].next
	}
	return i
}

// headLocked returns the first living slot of a number, or 0.
func (p *Poller) headLocked(fd int32) uint32 {
	if int(fd) >= len(p.files) {
		return 0
	}
	if i := p.files[fd].first; i != 0 && !p.slots[i].dead {
		return i
	}
	return 0
}

// pushLocked makes a slot the first of its number.
func (p *Poller) pushLocked(i uint32) {
	fd := int(p.slots[i].fd)
	for fd >= len(p.files) {
		p.files = append(p.files, make([]file, max(64, fd+1-len(p.files)))...)
	}
	p.slots[i].next = p.files[fd].first
	p.files[fd].first = i
}

// unlinkLocked takes a slot out of its chain.
func (p *Poller) unlinkLocked(i uint32) {
	at := &p.files[p.slots[i].fd].first
	for *at != i {
		at = &p.slots[*at].next
	}
	*at = p.slots[i].next
	p.slots[i].next = 0
}

// loseLocked declares the living slots of a number dead, as their file is not
// behind the number any more.
func (p *Poller) loseLocked(fd int32) {
	p.files[fd].renew(other)
	for i := p.files[fd].first; i != 0 && !p.slots[i].dead; i = p.slots[i].next {
		p.slots[i].dead = true
		if !p.slots[i].suppressed {
			p.tellClosedLocked(i)
		}
	}
}

// loseIfGoneLocked goes by what a change of the number's knotes failed with.
func (p *Poller) loseIfGoneLocked(fd int32, errno syscall.Errno) {
	if isGone(errno) {
		p.loseLocked(fd)
	}
}

// tellClosedLocked has the next Wait report ReadyClosed, or the one under way.
func (p *Poller) tellClosedLocked(i uint32) {
	p.queueLocked(i)
	p.wake.interrupt()
}

// queueLocked puts a slot in the backlog, once.
func (p *Poller) queueLocked(i uint32) {
	if s := &p.slots[i]; !s.queued {
		s.queued = true
		p.backlog = append(p.backlog, ref{i, s.gen})
	}
}
