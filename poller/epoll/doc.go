// Package epoll is a poller over epoll(7), for Linux.
//
// The kernel keys a registration by number and open file, and gives back a
// 64-bit cookie with each event. Here the cookie is the index of a slot and
// the slot's generation, so an event that outlived its registration is told
// from one of the slot's next use, whatever became of the number meanwhile.
//
// Several registrations of one number share the kernel's. An add always tries
// EPOLL_CTL_ADD: EEXIST means the file is one already watched, and its
// registration gets the new one's cookie; success means the number was closed
// and used again. The registrations of the earlier file then hear
// waitctx.ReadyClosed and are dead until they are deleted.
//
// What all who listen at a number want by edges is asked for with EPOLLET. An
// event that tells more than data or room for it ends that, since a short read may
// hide an end of stream, and so does one who wants levels.
//
// Suppressing is lazy: it costs nothing until the kernel reports readiness
// that nobody listens to. Then one EPOLL_CTL_MOD silences it.
//
// A Wait that sleeps parks its goroutine on Go's netpoller, which watches the
// epoll set, instead of blocking a thread in the kernel. While sleeps are shorter
// than a millisecond it keeps its processor instead, and lets others run every
// two milliseconds; not where there are more pollers than GOMAXPROCS.
//
// A poller has four descriptors: the set, an eventfd for Wake, a timerfd for the
// end of a Wait and one for those two milliseconds. Once it has parked it has a
// duplicate of the set besides, and once FD was called the set that FD returns.
//
// A file that is closed while a dup of it lives stays registered, under a
// number that cannot reach it any more: a ghost. Its events carry a dead
// cookie. When one is seen, the epoll set is built anew without it.
package epoll
