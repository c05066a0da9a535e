// Package kqueue is a poller over kqueue(2), for macOS and the BSDs.
//
// The kernel keeps a knote for each pair of a number and a filter, and removes
// it when the number is closed. So there are no ghosts; but a number that was
// closed and used again carries no knote, and nothing tells the poller. Each
// number has a generation here, which the kernel keeps as the knote's udata: a
// row that outlived its registration is told from one of the number's next
// use. It is found by its number, so udata is no pointer.
//
// Several registrations of one number share its knotes, under the union of
// their interests. Before a knote joins others of its number, one of those is
// changed without EV_ADD: ENOENT means the number was closed and used again.
// The registrations of the earlier file then hear waitctx.ReadyClosed and are
// dead until they are deleted.
//
// Changes go to the kernel in calls of their own, with EV_RECEIPT and a list
// as long as the changes, so that each has its answer and no event is lost
// between them. Where EV_RECEIPT is missing, each goes alone.
//
// Suppressing is lazy: it costs nothing until the kernel reports readiness
// that nobody listens to. Then EV_DISABLE silences the knote, and EV_ADD with
// EV_ENABLE brings it back, as EV_ENABLE alone does not look at the file again
// everywhere.
//
// A row says what one filter found. Rows of one number become one event; where
// a row is not the whole answer, a second kqueue is asked about that one
// descriptor: for the other direction of a hang-up, and for what a short list
// of rows cut off.
package kqueue
