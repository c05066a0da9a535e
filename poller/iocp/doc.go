// Package iocp is a poller over a completion port, for Windows.
//
// A completion port reports what has been done, not what is ready. Readiness
// is asked for three ways, by the kind of the handle:
//
//   - Sockets: a poll of the driver behind Winsock, \Device\Afd, which is what
//     select is made of there. It completes once, when the socket is ready, and
//     its packet comes to the port.
//   - Events, processes, threads, timers, semaphores: a wait completion packet,
//     which the system puts into the port once the handle is signalled, or
//     RegisterWaitForSingleObject where the system lacks those.
//   - Anonymous pipes, which report nothing: each Wait peeks into them, and
//     while one is waited for it sleeps 1 ms first and up to 10 ms in a quiet
//     time. So a pipe may be told that much later. Only the end that reads can
//     be waited for.
//
// [waitctx.Auto] finds the kind out when a handle is added. Files, directories,
// consoles, mutexes and the ends of pipes that write are refused with
// [waitctx.ErrNotPollable].
//
// # Level-triggered by asking again
//
// What fired is asked for again by the next Wait, and what is suppressed is
// not: suppressing costs nothing. A packet that lay in the port before Wait
// began may be out of date, and is checked by one call for all of them.
//
// A socket has at most one poll outstanding, under the union of the interests
// registered for it, and only the goroutine in Wait asks for one: with two
// outstanding, or from two threads, the driver loses events (wepoll#35). Apply
// notes what to do, and wakes the waiter. Delete cancels at once, so that the
// socket may be closed next.
//
// The cookie of a packet is the number of a poll, whose memory belongs to the
// kernel until the packet has come; it lies outside Go's heap, and Close waits
// for every packet before it is freed. That of a waitable is the number of a
// place, which is used again only when no packet for it can come.
//
// # What cannot be had
//
// An event that resets itself and a semaphore are consumed by being waited for:
// each signal is told once, to everybody registered for the handle. One that
// comes while all of them are suppressed is told after Rearm. The handle is
// duplicated by the add, so that it may be closed while it is registered.
//
// A socket that is closed with a poll outstanding is told as ReadyClosed. That
// a number was closed and used again cannot be seen in general
// (Caps.SeesReuse). Of a socket ReadyHup means a reset; after a shutdown of both
// directions it is only ReadyRdHup.
//
// Timeouts are whole milliseconds, rounded up, and end with a tick of the system's
// clock: 15.6 ms by default. The port cannot be waited for by
// another loop, so that FD has nothing to return.
package iocp
