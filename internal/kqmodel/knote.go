//go:build linux

package kqmodel

import (
	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

// key names a knote. kqueue(2), DESCRIPTION: a kevent is identified by the
// (ident, filter) pair, and there is one at most per queue.
type key struct {
	ident  uintptr
	filter kqsys.Filter
}

// knote is one registration.
type knote struct {
	key
	flags   kqsys.Flags // Clear and Oneshot, as of the add
	fflags  uint32
	udata   uintptr
	kind    uint32 // the file's S_IFMT bits
	id      fileID
	unheard bool // epoll refuses it: a vnode, or a device that is always ready

	enabled   bool
	active    bool // an event came that its filter has not denied since
	queued    bool // on the ready list
	triggered bool // of User
	dropped   bool
}

// fileID tells files apart, though not the two ends of a pipe.
type fileID struct{ dev, ino uint64 }

var fileFilters = []kqsys.Filter{kqsys.Read, kqsys.Write, kqsys.Except}

// registerLocked applies one change.
func (q *Queue) registerLocked(c kqsys.Event) unix.Errno {
	if !q.hasFilter(c.Filter) {
		return unix.EINVAL // kqueue(2), ERRORS: the specified filter is invalid
	}
	at := key{c.Ident, c.Filter}
	if c.Filter != kqsys.User {
		// kqueue(2), ERRORS: EBADF, the descriptor is invalid. It is looked up
		// for a delete too.
		if _, err := unix.FcntlInt(c.Ident, unix.F_GETFD, 0); err != nil {
			q.forgetLocked(c.Ident)
			return unix.EBADF
		}
		if c.Ident == uintptr(q.hint) {
			return unix.EINVAL // a kqueue does not watch itself
		}
	}
	kn := q.notes[at]
	if kn != nil && !q.heldLocked(kn) {
		kn = nil
	}
	if kn == nil && c.Flags&kqsys.Add == 0 {
		return unix.ENOENT // kqueue(2), ERRORS: no event to be modified or deleted
	}
	if c.Flags&kqsys.Delete != 0 {
		if kn != nil {
			q.dropLocked(kn)
		}
		return 0
	}
	if kn == nil {
		var errno unix.Errno
		if kn, errno = q.attachLocked(c); errno != 0 {
			return errno
		}
	} else {
		q.modifyLocked(kn, c)
	}
	q.lookLocked(kn, c)
	return 0
}

func (q *Queue) hasFilter(f kqsys.Filter) bool {
	switch f {
	case kqsys.Read, kqsys.Write:
		return true
	case kqsys.Except:
		return q.system.Caps.Except
	case kqsys.User:
		return q.system.Caps.User
	}
	return false
}

// attachLocked makes a knote. kqueue(2), EV_ADD: adding an event enables it,
// unless EV_DISABLE is given.
func (q *Queue) attachLocked(c kqsys.Event) (*knote, unix.Errno) {
	kn := &knote{
		key:   key{c.Ident, c.Filter},
		flags: c.Flags & (kqsys.Clear | kqsys.Oneshot), fflags: c.Fflags, udata: c.Udata,
		enabled: c.Flags&kqsys.Disable == 0,
	}
	if c.Filter == kqsys.User {
		kn.triggered = c.Fflags&kqsys.Trigger != 0
		q.notes[kn.key] = kn
		return kn, 0
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(c.Ident), &st); err != nil {
		return nil, unix.EBADF
	}
	kn.kind = st.Mode & unix.S_IFMT
	kn.id = fileID{uint64(st.Dev), st.Ino}
	// A pipe without a reader is refused here, and not at an EV_ADD of a knote
	// that is there already.
	if c.Filter == kqsys.Write && kn.kind == unix.S_IFIFO && q.system.brokenPipe != 0 &&
		poll(int(c.Ident), unix.POLLOUT)&unix.POLLERR != 0 {
		return nil, q.system.brokenPipe
	}
	q.notes[kn.key] = kn
	if errno := q.watchLocked(c.Ident); errno != 0 {
		if errno = q.unheardLocked(kn, errno); errno != 0 {
			delete(q.notes, kn.key)
			return nil, errno
		}
		kn.unheard = true
	}
	return kn, 0
}

// unheardLocked is what becomes of a file that epoll refused. kqueue(2),
// EVFILT_WRITE: this filter is not supported for vnodes.
func (q *Queue) unheardLocked(kn *knote, errno unix.Errno) unix.Errno {
	switch {
	case errno == unix.EPERM && kn.kind == unix.S_IFCHR:
		return q.system.noFilter
	case errno == unix.EPERM && kn.kind == unix.S_IFREG && kn.filter == kqsys.Read:
		return 0
	}
	return unix.EINVAL
}

// modifyLocked changes a knote. kqueue(2), EV_ADD: re-adding modifies the
// parameters and makes no duplicate. Any change sets udata: FreeBSD needs
// EV_KEEPUDATA to say otherwise. EV_CLEAR and EV_ONESHOT stay as they were
// added.
func (q *Queue) modifyLocked(kn *knote, c kqsys.Event) {
	kn.udata = c.Udata
	kn.fflags = c.Fflags
	if kn.filter == kqsys.User {
		// kqueue(2), NOTE_TRIGGER: cause the event to be triggered. A change
		// with EV_CLEAR resets it, the one that triggers included:
		// filt_usertouch in FreeBSD's kern_event.c, which the manual omits.
		kn.triggered = kn.triggered || c.Fflags&kqsys.Trigger != 0
		if c.Flags&kqsys.Clear != 0 {
			kn.triggered = false
		}
	}
}

// lookLocked enables or disables a knote, and runs its filter if that is due.
//
// kqueue(2), DESCRIPTION: the filter is executed upon registration, to detect
// whether a condition is present already. An EV_ADD of a knote that is there
// does the same, but enables it only if EV_ENABLE is given with it.
func (q *Queue) lookLocked(kn *knote, c kqsys.Event) {
	switch {
	case c.Flags&kqsys.Enable != 0:
		kn.enabled = true
	case c.Flags&kqsys.Disable != 0:
		kn.enabled = false
		kn.active = false
	}
	looks := c.Flags&kqsys.Add != 0 || kn.filter == kqsys.User || c.Flags&kqsys.Enable != 0 && q.system.enableLooks
	if looks && !kn.active {
		_, kn.active = kn.run()
	}
	if kn.active && kn.enabled {
		q.queueLocked(kn)
		if q.waiting > 0 {
			q.kick()
		}
	}
	if len(q.ready) > 0 {
		q.kick()
	}
}

// heldLocked reports whether a knote's descriptor is still the one it was
// added for, and drops it otherwise.
//
// kqueue(2), DESCRIPTION: calling close on a descriptor removes any kevents
// that reference it.
func (q *Queue) heldLocked(kn *knote) bool {
	if kn.filter == kqsys.User {
		return true
	}
	// The epoll set knows the open file. It also knows one that had the number
	// before and has a dup, so that the number may have gone back to it.
	var st unix.Stat_t
	held := unix.Fstat(int(kn.ident), &st) == nil && kn.id == fileID{uint64(st.Dev), st.Ino} &&
		(kn.unheard || modify(q.ids, int(kn.ident), unix.EPOLLONESHOT) == 0)
	if !held {
		q.forgetLocked(kn.ident)
	}
	return held
}

// forgetLocked drops all knotes of a number that was closed.
func (q *Queue) forgetLocked(ident uintptr) {
	for _, f := range fileFilters {
		if kn := q.notes[key{ident, f}]; kn != nil {
			kn.dropped = true
			delete(q.notes, kn.key)
		}
	}
}

// dropLocked deletes a knote. kqueue(2), EV_DELETE.
func (q *Queue) dropLocked(kn *knote) {
	kn.dropped = true
	delete(q.notes, kn.key)
	if kn.filter != kqsys.User && !kn.unheard {
		q.watchLocked(kn.ident)
	}
}

// watchLocked brings the epoll sets up to date with a number's knotes.
func (q *Queue) watchLocked(ident uintptr) unix.Errno {
	mask := uint32(0)
	for _, f := range fileFilters {
		if kn := q.notes[key{ident, f}]; kn != nil {
			mask |= maskOf(f)
		}
	}
	if mask == 0 {
		unix.EpollCtl(q.hint, unix.EPOLL_CTL_DEL, int(ident), nil)
		unix.EpollCtl(q.ids, unix.EPOLL_CTL_DEL, int(ident), nil)
		return 0
	}
	if errno := set(q.ids, int(ident), unix.EPOLLONESHOT, int32(ident)); errno != 0 {
		return errno
	}
	return set(q.hint, int(ident), mask|unix.EPOLLET, int32(ident))
}

// set registers a number in an epoll set, or changes its mask.
func set(epfd, fd int, mask uint32, data int32) unix.Errno {
	e := unix.EpollEvent{Events: mask, Fd: data}
	err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &e)
	if err == unix.EEXIST {
		err = unix.EpollCtl(epfd, unix.EPOLL_CTL_MOD, fd, &e)
	}
	if err != nil {
		return err.(unix.Errno)
	}
	return 0
}

// modify changes a mask only if the number still is the file registered.
func modify(epfd, fd int, mask uint32) unix.Errno {
	err := unix.EpollCtl(epfd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)})
	if err != nil {
		return err.(unix.Errno)
	}
	return 0
}

// maskOf is what a filter hears of.
func maskOf(f kqsys.Filter) uint32 {
	switch f {
	case kqsys.Read:
		return unix.EPOLLIN | unix.EPOLLRDHUP
	case kqsys.Write:
		return unix.EPOLLOUT
	}
	return unix.EPOLLPRI | unix.EPOLLRDHUP
}
