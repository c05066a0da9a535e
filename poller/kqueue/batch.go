//go:build unix

package kqueue

import (
	"syscall"
	"time"

	"bide/internal/kqsys"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// batch collects changes for one kevent(2).
type batch struct {
	steps    []step
	changes  []kqsys.Event
	errs     []syscall.Errno // of changes, once submitted
	receipts []kqsys.Event
}

// step is what a number needs of the kernel, in batch.changes[from:to].
type step struct {
	fd       int32
	from, to int
	change   *waitctx.Change // the add it is for, to be told an error; nil if it is for none
	slot     uint32          // to be dropped then; 0 if there is none
}

const maxChanges = 256 // in one call

var immediately time.Duration // the timeout of calls that do not wait

func (b *batch) full() bool { return len(b.changes) >= maxChanges }

func (b *batch) clear() {
	clear(b.steps) // they point to the caller's changes
	b.steps, b.changes = b.steps[:0], b.changes[:0]
}

// runLocked submits the batch. A registration that was added in it and refused
// is dropped again.
func (p *Poller) runLocked() {
	if len(p.batch.changes) == 0 {
		return
	}
	p.submitLocked()
	var again []step
	for _, s := range p.batch.steps {
		switch errno := p.settleLocked(s); {
		case errno == 0:
		case s.slot == 0 && isGone(errno):
			p.loseLocked(s.fd)
		default:
			again = append(again, s)
		}
	}
	p.batch.clear()
	for _, s := range again {
		p.redoLocked(s)
	}
}

// redoLocked repeats a step that failed, alone: another filter may do, or this
// is what the change is refused for.
func (p *Poller) redoLocked(s step) {
	errno := p.armLocked(s.fd)
	if errno == 0 {
		return
	}
	if s.slot == 0 {
		p.loseIfGoneLocked(s.fd, errno)
		return
	}
	p.unlinkLocked(s.slot)
	p.releaseLocked(s.slot)
	p.planLocked(s.fd, step{}) // half of it may have been added
	p.runLocked()
	s.change.Err = refusal(errno)
}

// flushLocked enables what Rearm found disabled.
func (p *Poller) flushLocked() {
	for _, fd := range p.rearms {
		p.files[fd].rearmed = false
		if p.headLocked(fd) != 0 {
			p.planLocked(fd, step{})
		}
		if p.batch.full() {
			p.runLocked()
		}
	}
	p.rearms = p.rearms[:0]
	p.runLocked()
}

// armLocked brings one number's knotes up to date at once.
func (p *Poller) armLocked(fd int32) syscall.Errno {
	p.runLocked()
	for {
		wasBroken := p.files[fd].broken
		p.planLocked(fd, step{})
		if len(p.batch.steps) == 0 {
			return 0
		}
		p.submitLocked()
		errno := p.settleLocked(p.batch.steps[0])
		p.batch.clear()
		if errno == 0 || wasBroken || !p.files[fd].broken {
			return errno
		}
	}
}

// sameLocked reports whether a number still is the file registered under it.
func (p *Poller) sameLocked(fd int32) bool {
	if p.files[fd].have == 0 {
		return true // nobody can tell
	}
	p.probeLocked(fd)
	p.submitLocked()
	errno := p.batch.errs[0]
	p.batch.clear()
	return !isGone(errno)
}

// submitLocked hands the batch to the kernel and fills errs.
//
// After EINTR all changes have been applied. Applying them once more does no
// harm, and brings the receipts.
func (p *Poller) submitLocked() {
	b := &p.batch
	b.errs = append(b.errs[:0], make([]syscall.Errno, len(b.changes))...)
	p.stats.Ctl += uint64(len(b.changes))
	if !p.caps.Receipt {
		for i := range b.changes {
			_, b.errs[i] = p.kevent(b.changes[i:i+1], nil, &immediately)
		}
		return
	}
	for i := range b.changes {
		b.changes[i].Flags |= kqsys.Receipt
	}
	if len(b.changes) > len(b.receipts) {
		b.receipts = make([]kqsys.Event, len(b.changes))
	}
	for done := 0; done < len(b.changes); {
		n, errno := p.kevent(b.changes[done:], b.receipts[:len(b.changes)-done], &immediately)
		if errno == 0 && n == 0 {
			errno = unix.EIO // no receipt
		}
		for i := range n {
			if b.receipts[i].Flags&kqsys.Error != 0 {
				b.errs[done+i] = syscall.Errno(b.receipts[i].Data)
			}
		}
		if done += n; errno != 0 {
			for ; done < len(b.changes); done++ {
				b.errs[done] = errno
			}
		}
	}
}

// kevent wraps kevent(2) of the main queue for changes.
func (p *Poller) kevent(changes, events []kqsys.Event, timeout *time.Duration) (int, syscall.Errno) {
	for {
		n, err := p.sys.Kevent(changes, events, timeout)
		if errno := errnoOf(err); errno != unix.EINTR {
			return n, errno
		}
	}
}

// settleLocked takes note of what the kernel did, and returns what it refused.
// If it turned out that the number is another file's now, what was added to
// that is taken away again.
func (p *Poller) settleLocked(s step) syscall.Errno {
	f := &p.files[s.fd]
	var refused syscall.Errno
	gone := false
	for i := s.from; i < s.to; i++ {
		c, errno := &p.batch.changes[i], p.batch.errs[i]
		x := bit(c.Filter)
		if uintptr(f.gen) != c.Udata { // the chain is empty: a delete
			continue
		}
		switch {
		case errno == 0:
			f.note(x, c.Flags)
		case c.Flags&kqsys.Add != 0 && x == writes && isBroken(f, s.fd, errno):
			f.broken = true
			refused = unix.EPIPE // on NetBSD too, where it would look as if the number were closed
		case c.Flags&kqsys.Add == 0 && isGone(errno):
			gone = true
			refused = errno
		case refused == 0:
			refused = errno
		}
	}
	if gone {
		p.takeAwayLocked(s)
	}
	return refused
}

// takeAwayLocked deletes what a step added to a file it was not meant for.
func (p *Poller) takeAwayLocked(s step) {
	for i := s.from; i < s.to; i++ {
		if c := p.batch.changes[i]; c.Flags&kqsys.Add != 0 && p.batch.errs[i] == 0 {
			c.Flags = kqsys.Delete
			p.kevent([]kqsys.Event{c}, nil, &immediately)
		}
	}
}

// isGone tells the errors of a knote that went with its descriptor: EBADF if
// the number is closed, ENOENT if it is used again.
func isGone(errno syscall.Errno) bool { return errno == unix.ENOENT || errno == unix.EBADF }

// isBroken tells the errors of EVFILT_WRITE for a pipe whose reader is gone:
// EPIPE, and on NetBSD EBADF.
func isBroken(f *file, fd int32, errno syscall.Errno) bool {
	if f.kind < reader || errno != unix.EPIPE && errno != unix.EBADF {
		return false
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// errnoOf unpacks the error of a Kevent.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return unix.EIO
}
