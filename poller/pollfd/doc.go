// Package pollfd is a poller over poll(2), which every Unix has.
//
// It is the fallback for systems without a backend of their own, and the
// reference the conformance suite compares the others with: poll(2) keeps
// nothing between two calls, so each answer follows from the registrations and
// the state of the files alone.
//
// Every Wait hands the kernel the whole set, at a cost of O(registrations).
// Prefer epoll, kqueue or io_uring beyond some hundred descriptors.
//
// What follows from poll(2) being stateless:
//
//   - A suppressed registration is left out of the set, so that a hung-up
//     descriptor nobody listens to costs nothing.
//   - Regular files and directories are always ready.
//   - A descriptor closed without a delete is reported once, as
//     waitctx.ReadyClosed, and then stays silent until it is deleted. If its
//     number was used again before the next Wait, poll(2) cannot tell, and the
//     registration hears of the new file.
//   - There is no descriptor that another loop could watch.
//
// POSIX has no POLLRDHUP and no ppoll(2). So outside Linux waitctx.ReadyRdHup is
// not told, only the end of file as waitctx.ReadyIn, and timeouts are whole
// milliseconds, rounded up.
package pollfd
