// Package jobnet has connections and listeners on a scheduler's loop, and stock
// crypto/tls over them.
//
// A [Conn] is used in three ways:
//
//   - c.In(j) is the net.Conn whose calls pause the job j and leave the loop to
//     others. This is the fast way.
//   - c.TryRead and c.TryWrite never wait: they answer [ErrWouldBlock]. With
//     c.ReadWatch().SetFunc a job is started when there is something to read,
//     so that a connection at rest is a descriptor and a registration.
//   - c itself is a net.Conn for any goroutine. Each call is done by a job of
//     its own while the goroutine waits, so the loop must be running, and the
//     loop's own goroutine must not make one: it would wait for itself.
//
// Goroutines have no identity, so which of these is meant is never guessed. A job
// that uses c itself stops its loop for good; jobs.WithWatchdog names the line. The
// methods of Conn that do not wait (Close, CloseWrite, SetNoDelay, the addresses and
// so on) may be called from everywhere, the loop included. All calls of a view are
// its job's.
//
// A job that finds its connections always ready pauses after sixteen calls, so that
// a peer that sends without end does not hold the loop.
//
// A Conn is the caller's to close: the end of a job that used it does not, nor does the
// garbage collector, which closes forgotten connections of package net. Closing a
// Scheduler closes the connections and listeners on it.
package jobnet
