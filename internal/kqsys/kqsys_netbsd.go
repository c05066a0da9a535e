package kqsys

const (
	evfiltUser   = none
	evfiltExcept = none
	noteOOB      = 0
)

// none is no filter's number.
const none = 0x7fff

// NetBSD 10 has EVFILT_USER and EV_RECEIPT, which x/sys does not know; NetBSD 9
// has not. Doing without works on both. A sleep ends with a tick of the clock, a
// hundredth of a second.
var caps = Caps{System: "NetBSD"}
