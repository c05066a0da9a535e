package kqsys

import "golang.org/x/sys/unix"

const (
	evfiltUser   = unix.EVFILT_USER
	evfiltExcept = unix.EVFILT_EXCEPT
	noteOOB      = unix.NOTE_OOB
)

var caps = Caps{System: "macOS", User: true, Receipt: true, Except: true, SubMilli: true}
