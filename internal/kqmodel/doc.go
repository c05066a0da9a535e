// Package kqmodel is kqueue(2) in Go, on Linux, for tests.
//
// It is what lets poller/kqueue run where there is no kqueue. It is written
// from the manual pages, so what it shows is that the backend keeps to them,
// not that a kernel does.
//
// A Queue works as the manual page says a kqueue does: knotes are kept under
// (ident, filter); an event that may make a filter true puts its knote on the
// ready list; and the filter is run again when the knote is about to be
// returned. The events come from an edge-triggered epoll set, which is no more
// than a hint; filters are run by poll(2) and FIONREAD.
//
// Each rule carries the place in the manual it comes from, as in "kqueue(2),
// EV_ADD". The systems disagree in places: see [System].
//
// What it does not have:
//
//   - Directories, timers, processes, signals; and events of regular files,
//     whose filter runs only at an EV_ADD and when its knote is retrieved.
//   - A number that is closed and becomes one of the same open file again, by
//     dup2(2): the knotes stay, where a kernel has removed them.
//   - The socket error in fflags. That there is one shows, as ECONNRESET; poll(2)
//     does not say which, and reading SO_ERROR would take it from its owner.
//   - EV_EOF of a socket's write side that was shut down by its owner only:
//     poll(2) does not tell.
package kqmodel
