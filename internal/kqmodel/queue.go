//go:build linux

package kqmodel

import (
	"os"
	"sync"
	"time"
	"unsafe"

	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

// Queue is one kqueue. Make it with [Open].
type Queue struct {
	system System
	hint   int // epoll set whose events run filters; it is the queue's descriptor
	ids    int // epoll set that nobody waits on: it knows which file a number was
	kicker int // eventfd in hint, for events that are none of a file

	mu      sync.Mutex // guards everything below
	notes   map[key]*knote
	ready   []*knote // in the order in which they are returned
	waiting int      // Kevents that block
	closed  bool
}

// Open opens a queue of a system.
func Open(system System) (*Queue, error) {
	q := &Queue{system: system, notes: make(map[key]*knote)}
	var err error
	if q.hint, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if q.ids, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		unix.Close(q.hint)
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if q.kicker, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(q.hint)
		unix.Close(q.ids)
		return nil, os.NewSyscallError("eventfd2", err)
	}
	// Edge-triggered, so that it need not be read.
	set(q.hint, q.kicker, unix.EPOLLIN|unix.EPOLLET, -1)
	return q, nil
}

// Kevent applies changes and returns pending events, see [kqsys.Sys].
//
// kqueue(2), DESCRIPTION: all changes of the list are applied before any
// pending event is read from the queue.
func (q *Queue) Kevent(changes, events []kqsys.Event, timeout *time.Duration) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, unix.EBADF
	}
	if used, over, errno := q.applyLocked(changes, events); errno != 0 {
		return 0, errno
	} else if over {
		return used, nil
	}
	// kqueue(2), DESCRIPTION: with nevents zero it returns at once, whatever
	// the timeout.
	if len(events) == 0 {
		return 0, nil
	}
	rest, start := time.Duration(-1), time.Now()
	if timeout != nil {
		limit, errno := q.system.limit(*timeout)
		if errno != 0 {
			return 0, errno
		}
		rest = limit
	}
	return q.waitLocked(events, rest, start)
}

// applyLocked applies changes one by one. It reports whether the call ends
// with them.
//
// kqueue(2), RETURN VALUES: an error goes to the event list, as EV_ERROR with
// the errno in data, while there is room; otherwise the call fails with it.
// EV_RECEIPT has that row made of a success as well; without room for it later
// changes are not processed. As the call returns what is in the list, no
// pending event joins it ("without draining any pending events").
func (q *Queue) applyLocked(changes, events []kqsys.Event) (used int, over bool, _ unix.Errno) {
	for _, c := range changes {
		errno := q.registerLocked(c)
		receipt := q.system.Caps.Receipt && c.Flags&kqsys.Receipt != 0
		if errno == 0 && !receipt {
			continue
		}
		if used == len(events) {
			return used, true, errno
		}
		row := c
		row.Flags |= kqsys.Error
		if !q.system.keepsFlags {
			row.Flags = kqsys.Error
		}
		row.Data = int64(errno)
		events[used] = row
		used++
	}
	return used, used > 0, 0
}

// waitLocked returns pending events, and waits for the first.
func (q *Queue) waitLocked(events []kqsys.Event, limit time.Duration, start time.Time) (int, error) {
	for {
		n := q.scanLocked(events)
		if len(q.ready) > 0 {
			q.kick() // kqueue(2), EVFILT_READ of a kqueue: readable while events are pending
		}
		rest := limit
		if limit >= 0 {
			rest = max(0, limit-time.Since(start))
		}
		if n > 0 || rest == 0 {
			return n, nil // kqueue(2), RETURN VALUES: 0 when the time limit expires
		}
		q.waiting++
		q.mu.Unlock()
		var rows [64]unix.EpollEvent
		n, errno := epollWait(q.hint, rows[:], rest)
		q.mu.Lock()
		q.waiting--
		if errno == unix.EINTR {
			// kqueue(2), ERRORS: a signal came before any event was placed.
			return 0, errno
		}
		if errno != 0 {
			return 0, errno
		}
		q.hearLocked(rows[:n])
	}
}

// scanLocked fills events from the ready list, each knote at most once.
func (q *Queue) scanLocked(events []kqsys.Event) int {
	var rows [256]unix.EpollEvent
	for {
		n, errno := epollWait(q.hint, rows[:], 0)
		q.hearLocked(rows[:n])
		if errno != unix.EINTR && n < len(rows) {
			break
		}
	}
	n := 0
	for limit := len(q.ready); limit > 0 && n < len(events); limit-- {
		kn := q.ready[0]
		q.ready = q.ready[1:]
		kn.queued = false
		if kn.dropped || !kn.enabled || !kn.active {
			continue // kqueue(2), EV_DISABLE: kevent will not return it
		}
		if !q.heldLocked(kn) {
			continue
		}
		// kqueue(2), DESCRIPTION: the filter is also run when the kevent is
		// retrieved. If the condition no longer holds, it is removed from the
		// queue and not returned.
		row, holds := kn.run()
		if !holds {
			kn.active = false
			continue
		}
		events[n] = row
		n++
		q.returnedLocked(kn)
	}
	return n
}

// returnedLocked is what becomes of a knote that was returned.
func (q *Queue) returnedLocked(kn *knote) {
	switch {
	case kn.flags&kqsys.Oneshot != 0:
		q.dropLocked(kn) // kqueue(2), EV_ONESHOT: after it is retrieved it is deleted
	case kn.flags&kqsys.Clear != 0:
		kn.active, kn.triggered = false, false // kqueue(2), EV_CLEAR: its state is reset
	default:
		q.queueLocked(kn) // the state remains, and so does the event
	}
}

// hearLocked has the events of files put their knotes on the ready list.
//
// kqueue(2), DESCRIPTION: the filter is executed whenever an event is passed to
// it; several events result in one kevent.
func (q *Queue) hearLocked(rows []unix.EpollEvent) {
	for i := range rows {
		for _, f := range fileFilters {
			kn := q.notes[key{uintptr(rows[i].Fd), f}]
			if kn != nil && rows[i].Events&(maskOf(f)|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
				q.activateLocked(kn)
			}
		}
	}
}

// activateLocked marks a knote, and queues it if it may be returned.
func (q *Queue) activateLocked(kn *knote) {
	kn.active = true
	if kn.enabled {
		q.queueLocked(kn)
	}
}

func (q *Queue) queueLocked(kn *knote) {
	if !kn.queued {
		kn.queued = true
		q.ready = append(q.ready, kn)
	}
}

// FD is the queue's descriptor.
func (q *Queue) FD() int { return q.hint }

// Open opens another queue of the same system.
func (q *Queue) Open() (kqsys.Sys, error) { return Open(q.system) }

// Caps says what the system has.
func (q *Queue) Caps() kqsys.Caps { return q.system.Caps }

// Len is how many knotes there are, of files that are open.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, kn := range q.notes {
		q.heldLocked(kn)
	}
	return len(q.notes)
}

// Close closes the queue's descriptors.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return os.NewSyscallError("close", unix.EBADF)
	}
	q.closed = true
	unix.Close(q.ids)
	unix.Close(q.kicker)
	return os.NewSyscallError("close", unix.Close(q.hint))
}

// kick makes the queue's descriptor readable, and ends a wait on it.
func (q *Queue) kick() {
	unix.Write(q.kicker, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// epollWait wraps epoll_pwait2(2), by two 64-bit integers as everywhere.
func epollWait(epfd int, rows []unix.EpollEvent, timeout time.Duration) (int, unix.Errno) {
	var ts *[2]int64
	if timeout >= 0 {
		ts = &[2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epfd), uintptr(unsafe.Pointer(&rows[0])),
		uintptr(len(rows)), uintptr(unsafe.Pointer(ts)), 0, 0)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		ms := -1
		if timeout >= 0 {
			ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, 24*3600*1000))
		}
		n, err := unix.EpollWait(epfd, rows, ms)
		if err != nil {
			return 0, err.(unix.Errno)
		}
		return n, 0
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
