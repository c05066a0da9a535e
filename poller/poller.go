package poller

import (
	"time"

	"bide/waitctx"
)

// What a poller is told and tells is declared in package waitctx, so that a
// backend needs no other package of this module.
type (
	FD     = waitctx.FD     // a file descriptor, or a Windows SOCKET or HANDLE
	ID     = waitctx.ID     // names a registration
	Token  = waitctx.Token  // chosen by the consumer, and handed back in events
	Change = waitctx.Change // a registration added, modified or deleted
	Event  = waitctx.Event  // a registration that is ready
	Caps   = waitctx.Caps   // what a backend can do
)

// Errors that pollers return, besides those of system calls.
var (
	ErrBusy        = waitctx.ErrBusy        // another goroutine is in Wait
	ErrClosed      = waitctx.ErrClosed      // the poller was closed
	ErrNotPollable = waitctx.ErrNotPollable // the kernel cannot watch this kind of file
	ErrNotFound    = waitctx.ErrNotFound    // a modify or delete of a registration that is not held
	ErrExists      = waitctx.ErrExists      // an add of a registration that is held
)

// Poller is the contract every backend keeps.
//
// One goroutine at a time waits, and calls Suppress and Rearm. Every other
// method may be called from any goroutine at any time, also while one is in
// Wait. A system call that fails is reported as an *os.SyscallError.
type Poller interface {
	// Apply brings the registrations up to date. Deletes run first, whatever
	// their place in changes; the others follow in order. Every change is
	// tried: its Err is set, to nil if it took effect, and Apply returns the
	// errors joined.
	//
	//   - An add of an ID that is held is ErrExists. One of a descriptor that
	//     is not open is EBADF, and one of a file that cannot be watched
	//     ErrNotPollable (see Caps.Files). What failed is not held.
	//   - An interest in Priority is errors.ErrUnsupported, in an add or a
	//     modify, if Caps.Priority is false.
	//   - A modify replaces interest and token; one that fails leaves both as
	//     they were.
	//   - A delete of what is held succeeds, also if its descriptor was closed
	//     already, and whatever the kernel says.
	//   - A modify or delete of an ID that is not held is ErrNotFound.
	//   - After Close a delete succeeds, as nothing is told any more, and each
	//     other change fails with ErrClosed.
	//
	// The changes take effect in a Wait under way. No Wait that begins after
	// Apply has returned tells of a registration it deleted; one that was
	// about to return may. Apply keeps no reference to changes.
	Apply(changes []Change) error

	// Wait stores in dst what is ready, at most len(dst) events, and returns
	// how many. It blocks until there is one, until timeout has passed, or
	// until Wake; in the last two cases it returns 0, nil. It is never early,
	// and signals do not end it. A timeout of zero collects what is ready now,
	// a negative one never passes; Caps.SubMilli says whether fractions of a
	// millisecond are kept or rounded up.
	//
	// What is ready is told as long as it is; with waitctx.Edge in its interest,
	// where Caps.Edges is true, perhaps only once.
	//
	// The rest of dst is left alone, and dst may be reused at once. With an
	// empty dst Wait returns when something is ready, and does not tell what.
	//
	// An event's Err is set if the backend cannot watch the registration any
	// more, and says why. The registration is held until it is deleted, and not
	// told again unless it is modified or rearmed.
	//
	// Wait returns ErrBusy while another goroutine is in Wait, and ErrClosed
	// once the poller is closed, also if that happens meanwhile.
	Wait(dst []Event, timeout time.Duration) (int, error)

	// Wake makes the Wait under way return, or else the next one. Calls that
	// no Wait has answered yet count as one; none is lost. It does not block.
	// After Close it returns ErrClosed.
	Wake() error

	// Suppress silences a registration until Rearm: a ready one that nobody
	// listens to would make every Wait return at once. It costs no system
	// call; the kernel is told only if it reports the registration again. A
	// modify leaves a registration suppressed.
	//
	// It takes the descriptor beside the ID because backends find
	// registrations by descriptor, and the ID tells those of one descriptor
	// apart: neither side needs a table of all IDs. Both are those of the add.
	// A registration that is not held is ignored, and so is everything after
	// Close. It must not be called while another goroutine is in Wait.
	Suppress(fd FD, id ID)

	// Rearm ends Suppress. If the registration is ready, the next Wait tells.
	// What is said of Suppress holds for Rearm; calls without a Suppress
	// before do nothing.
	Rearm(fd FD, id ID)

	// Caps says what the backend can do. It does not change.
	Caps() Caps

	// FD returns a descriptor that another loop can watch: it is readable when
	// Wait has something to return, and now and then for nothing. It belongs
	// to the poller, stays the same until Close, and must not be closed, nor
	// be added to the poller itself. Backends without one (see Caps.Nestable),
	// and closed pollers, return waitctx.BadFD and false, as do those that the
	// kernel refuses a descriptor.
	FD() (FD, bool)

	// Close makes the Wait under way return ErrClosed, waits until it has, and
	// frees what the poller holds. Descriptors that were registered stay open.
	// Closing again returns nil, perhaps before a Close that is under way. The
	// waiting goroutine may call it between two Waits.
	Close() error
}

// Option changes what New opens.
type Option func(*config)

type config struct{ backend string }

// WithBackend names the backend to open, by its package: "epoll", "iouring",
// "kqueue", "iocp" or "pollfd". An empty name leaves the choice to New.
func WithBackend(name string) Option { return func(c *config) { c.backend = name } }
