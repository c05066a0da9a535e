package kqsys

import "golang.org/x/sys/unix"

const (
	evfiltUser   = none
	evfiltExcept = unix.EVFILT_EXCEPT
	noteOOB      = unix.NOTE_OOB
)

// none is no filter's number.
const none = 0x7fff

// The clock ticks at 100 Hz, and a sleep ends with a tick.
var caps = Caps{System: "OpenBSD", Receipt: true, Except: true}
