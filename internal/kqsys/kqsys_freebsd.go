package kqsys

import "golang.org/x/sys/unix"

const (
	evfiltUser   = unix.EVFILT_USER
	evfiltExcept = none
	noteOOB      = 0
)

// none is no filter's number.
const none = 0x7fff

var caps = Caps{System: "FreeBSD", User: true, Receipt: true, SubMilli: true}
