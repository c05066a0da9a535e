// Package iouring is a poller over io_uring(7), for Linux from 6.1 on.
//
// A registration is a one-shot poll in a ring shared with the kernel. One that
// fired is armed again by the next Wait, in the same io_uring_enter(2) that
// waits: a file that is still ready completes at once, so that readiness is
// judged at the entry of Wait, as by epoll(7). A completion that is older than
// the Wait, or that found no place in dst, is not trusted but judged anew in
// the same way. A poll carries the index of a slot and the slot's generation,
// so that a completion that outlived its registration is told from one of the
// slot's next use.
//
// Several registrations of one number each have a poll of their own.
//
// Suppressing costs nothing: what is suppressed is not armed again.
//
// A poll holds the open file, not the number. Until it is deleted, a file that
// was closed stays open, and its peer sees no end. So a delete cancels the poll
// and waits until the kernel has let go of the file, five seconds at most. The
// other side of it: there are no ghosts, and a registration whose number was
// closed and used again hears of the earlier file until its poll fires, and of
// the new one from then on; if the number is not in use by then, it hears
// waitctx.ReadyClosed.
//
// The kernel completes a poll on the thread that armed it. While a goroutine
// that calls Wait stays on one thread, Wait is exact. What an earlier thread
// armed is told once that thread gets to it: in general a moment later, but as
// late as the thread is stuck in a call that signals cannot interrupt; a timeout
// passes in any case. The flags that avoid this (IORING_SETUP_SINGLE_ISSUER,
// IORING_SETUP_DEFER_TASKRUN) bind a ring to one thread, and goroutines
// migrate.
//
// A Wait that sleeps parks its goroutine on Go's netpoller, so that no thread is
// blocked and no processor kept. The thread that armed runs others meanwhile; only
// the one that a goroutine is locked to does not. From the first sleep on there
// are two descriptors beside the ring: a timerfd for the end of a Wait, and an
// epoll set of it and the ring, which the netpoller watches.
package iouring
