//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package kqsys

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The flags have the systems' numbers: a difference does not compile.
const (
	_ = uint(Add-unix.EV_ADD) + uint(unix.EV_ADD-Add)
	_ = uint(Delete-unix.EV_DELETE) + uint(unix.EV_DELETE-Delete)
	_ = uint(Enable-unix.EV_ENABLE) + uint(unix.EV_ENABLE-Enable)
	_ = uint(Disable-unix.EV_DISABLE) + uint(unix.EV_DISABLE-Disable)
	_ = uint(Oneshot-unix.EV_ONESHOT) + uint(unix.EV_ONESHOT-Oneshot)
	_ = uint(Clear-unix.EV_CLEAR) + uint(unix.EV_CLEAR-Clear)
	_ = uint(Error-unix.EV_ERROR) + uint(unix.EV_ERROR-Error)
	_ = uint(EOF-unix.EV_EOF) + uint(unix.EV_EOF-EOF)
)

type kernel struct{ fd int }

// Open opens a kqueue of this system.
func Open() (Sys, error) {
	// kqueue(2) has no flag for close-on-exec everywhere. The lock keeps a
	// fork of this process from happening before it is set.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	return kernel{fd}, nil
}

func (k kernel) Kevent(changes, events []Event, timeout *time.Duration) (int, error) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	b.grow(len(changes) + len(events))
	in := b.rows(0, len(changes))
	for i := range changes {
		encode(&in[i], &changes[i])
	}
	out := b.rows(len(changes), len(events))
	var ts *unix.Timespec
	if timeout != nil {
		b.timeout = unix.NsecToTimespec(int64(*timeout))
		ts = &b.timeout
	}
	n, err := unix.Kevent(k.fd, in, out, ts)
	if err != nil {
		return 0, err
	}
	for i := range n {
		decode(&events[i], &out[i])
	}
	return n, nil
}

func (k kernel) FD() int            { return k.fd }
func (k kernel) Open() (Sys, error) { return Open() }
func (k kernel) Close() error       { return os.NewSyscallError("close", unix.Close(k.fd)) }
func (k kernel) Caps() Caps         { return caps }

// buffer holds the rows of one call. It is made of integers, so that the
// garbage collector does not look into it: Kevent_t.Udata is a pointer on most
// systems, and what is kept in it here is none.
type buffer struct {
	words   []uint64
	timeout unix.Timespec
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// grow makes room for n rows, all zero. They are cleared as integers too: a
// store of a whole Kevent_t has a write barrier, which would take the integer
// left in Udata for a pointer.
func (b *buffer) grow(n int) {
	need := (n*int(unsafe.Sizeof(unix.Kevent_t{})) + 7) / 8
	if need > len(b.words) {
		b.words = make([]uint64, need)
	}
	clear(b.words[:need])
}

// rows are n rows from the given one on.
func (b *buffer) rows(from, n int) []unix.Kevent_t {
	if n == 0 {
		return nil
	}
	base := (*unix.Kevent_t)(unsafe.Pointer(&b.words[0]))
	return unsafe.Slice(base, from+n)[from:]
}

func encode(k *unix.Kevent_t, e *Event) {
	unix.SetKevent(k, int(e.Ident), numberOf(e.Filter), int(e.Flags))
	k.Fflags = e.Fflags
	if e.Filter == Except {
		k.Fflags = noteOOB
	}
	*(*uintptr)(unsafe.Pointer(&k.Udata)) = e.Udata
}

func decode(e *Event, k *unix.Kevent_t) {
	*e = Event{
		Ident:  uintptr(k.Ident),
		Filter: filterOf(int(k.Filter)),
		Flags:  Flags(k.Flags),
		Fflags: k.Fflags,
		Data:   int64(k.Data),
		Udata:  *(*uintptr)(unsafe.Pointer(&k.Udata)),
	}
}

func numberOf(f Filter) int {
	switch f {
	case Read:
		return unix.EVFILT_READ
	case Write:
		return unix.EVFILT_WRITE
	case Except:
		return evfiltExcept
	}
	return evfiltUser
}

func filterOf(number int) Filter {
	switch number {
	case unix.EVFILT_READ:
		return Read
	case unix.EVFILT_WRITE:
		return Write
	case evfiltExcept:
		return Except
	}
	return User
}
