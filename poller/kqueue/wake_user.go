//go:build unix

package kqueue

import (
	"os"

	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

// userEvent wakes through EVFILT_USER, where the system has it: one knote that
// is triggered, without a descriptor.
type userEvent struct {
	sys     kqsys.Sys
	trigger []kqsys.Event
}

// userIdent names the knote. No descriptor has this number.
const userIdent = 1 << 31

// newUserEvent makes what triggers the knote. It has no flags: with EV_CLEAR
// among them, FreeBSD takes the trigger back at once.
func newUserEvent(sys kqsys.Sys) userEvent {
	return userEvent{sys, []kqsys.Event{{Ident: userIdent, Filter: kqsys.User, Fflags: kqsys.Trigger}}}
}

// change registers the knote. Without EV_CLEAR it would stay triggered.
func (u userEvent) change() kqsys.Event {
	return kqsys.Event{Ident: userIdent, Filter: kqsys.User, Flags: kqsys.Add | kqsys.Clear}
}

func (u userEvent) is(row *kqsys.Event) bool { return row.Filter == kqsys.User }

// write triggers the knote.
func (u userEvent) write() error {
	_, err := u.sys.Kevent(u.trigger, nil, &immediately)
	if errnoOf(err) == unix.EINTR { // it has been applied
		err = nil
	}
	return os.NewSyscallError("kevent", err)
}

func (u userEvent) drain() {}

func (u userEvent) close() error { return nil }
