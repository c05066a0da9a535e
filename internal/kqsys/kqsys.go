package kqsys

import "time"

// Sys is one kqueue. Kevent may be called from any goroutine, also while
// another call of it waits; Close may not.
type Sys interface {
	// Kevent wraps kevent(2): it applies changes in order, and then fills
	// events with what is pending. It waits for the first until timeout has
	// passed, or forever if that is nil; without room for events, never.
	//
	// The error is an Errno of package syscall as it is, not wrapped. After
	// EINTR the changes have been applied.
	Kevent(changes, events []Event, timeout *time.Duration) (int, error)
	// FD is the queue's descriptor, which is readable while events are pending.
	FD() int
	// Open opens another queue of the same system.
	Open() (Sys, error)
	// Close closes the queue. A Kevent that waits may not notice.
	Close() error
	// Caps says what the system's kevent can do.
	Caps() Caps
}

// Event is struct kevent: a change on the way in, a row on the way out.
type Event struct {
	Ident  uintptr
	Filter Filter
	Flags  Flags
	Fflags uint32
	Data   int64
	Udata  uintptr
}

// Filter is a filter's name here. The numbers differ between systems.
type Filter uint8

const (
	Read   Filter = 1 + iota // EVFILT_READ
	Write                    // EVFILT_WRITE
	Except                   // EVFILT_EXCEPT; where Caps.Except
	User                     // EVFILT_USER; where Caps.User
)

// Flags are the EV_ flags, which have the same numbers on all systems.
type Flags uint16

const (
	Add     Flags = 0x0001 // EV_ADD
	Delete  Flags = 0x0002 // EV_DELETE
	Enable  Flags = 0x0004 // EV_ENABLE
	Disable Flags = 0x0008 // EV_DISABLE
	Oneshot Flags = 0x0010 // EV_ONESHOT
	Clear   Flags = 0x0020 // EV_CLEAR
	Receipt Flags = 0x0040 // EV_RECEIPT; where Caps.Receipt
	Error   Flags = 0x4000 // EV_ERROR: Data is an errno, or 0 in a receipt
	EOF     Flags = 0x8000 // EV_EOF
)

// Filter flags. The systems' numbers differ for NOTE_OOB.
const (
	Trigger uint32 = 0x01000000 // NOTE_TRIGGER, of User
	OOB     uint32 = 0x00000002 // NOTE_OOB, of Except
)

// Caps says what differs between the systems.
type Caps struct {
	System   string // by its own name: FreeBSD, macOS
	User     bool   // EVFILT_USER
	Receipt  bool   // EV_RECEIPT
	Except   bool   // EVFILT_EXCEPT with NOTE_OOB
	SubMilli bool   // timeouts below a millisecond are kept
}
