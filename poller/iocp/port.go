package iocp

import (
	"fmt"
	"time"

	"bide/waitctx"
)

// system is what the backend asks of Windows. It is the only seam: the tests on
// other systems put a model in its place.
//
// Handles are uintptr here. None of its methods takes the poller's lock, and
// only get blocks.
type system interface {
	// get takes packets from the port, and waits for the first of them: not at
	// all for 0, forever for a negative timeout.
	get(rows []packet, timeout time.Duration) (int, error)
	// post puts a packet into the port.
	post(key, cookie uintptr) error

	// classify says what kind of handle h is, and returns the handle that polls
	// of a socket need: not h, if some software was layered over Winsock.
	classify(h waitctx.FD, kind waitctx.Kind) (waitctx.Kind, uintptr, error)

	// newHelper opens a handle of \Device\Afd through which polls are asked for.
	newHelper() (uintptr, error)
	// newOps returns memory the garbage collector knows nothing of, zeroed.
	newOps() ([]op, error)
	freeOps([]op)
	// submit asks for a poll as o has it. Its packet has keySocket and cookie;
	// one comes unless the status is a failure.
	submit(helper uintptr, o *op, cookie uintptr) status
	// cancel has the packet of a poll come soon, if it does not already.
	cancel(helper uintptr, o *op) status
	// now overwrites the events of each target with those of them that are ready
	// now. If one handle is bad it fails, with the events as they were.
	now(targets []target) status

	// peek looks into a pipe: pipeEmpty, pipeData, or pipeEnd, or why not.
	peek(h waitctx.FD) (pipeState, error)

	// newWait duplicates a handle to wait for. Its packets have keyWaitable.
	newWait(h waitctx.FD) (waitable, error)

	closeHandle(h uintptr)
	close() error
}

// waitable is a handle whose signals are asked for one at a time.
type waitable interface {
	// level says that the signal stays until something takes it away, which
	// waiting does not.
	level() bool
	// arm asks for a packet with this cookie at the next signal. If there is one
	// already it may be taken at once, and no packet comes.
	arm(cookie uintptr) (signalled bool, err error)
	// disarm takes that back, and a signal with it that was not heard of yet. It
	// reports whether the packet is on its way nevertheless, if only from get to
	// whoever called that; close follows it then.
	disarm() (coming bool)
	// same says whether h is another handle of the same object.
	same(h waitctx.FD) bool
	// signalled says whether the handle is signalled. Only where level.
	signalled() bool
	close()
}

// The keys of packets.
const (
	keyWake     = iota // of the waker: Wake, and changes the waiter has to see
	keySocket          // cookie: number of a poll
	keyWaitable        // cookie: number of a place
)

// packet is OVERLAPPED_ENTRY. The cookie stands where a pointer to an
// OVERLAPPED would; it is none, so that the collector must not see it as one.
type packet struct {
	key    uintptr
	cookie uintptr
	_      uintptr // Internal
	_      uint32  // dwNumberOfBytesTransferred
}

// op is what the kernel writes a poll's outcome to: the IO_STATUS_BLOCK and the
// AFD_POLL_INFO, which is both the question and the answer.
type op struct {
	status uintptr // NTSTATUS, in a union with a pointer
	_      uintptr // Information
	info   pollInfo
	_      [16]byte
}

// pollInfo is AFD_POLL_INFO for one handle.
type pollInfo struct {
	timeout int64 // absolute if positive, in units of 100 ns
	handles uint32
	_       uint32 // Exclusive: other polls of the socket would end
	target  target
}

// target is AFD_POLL_HANDLE_INFO.
type target struct {
	handle uintptr
	events uint32
	_      uint32 // Status
}

// status is an NTSTATUS.
type status uint32

const (
	statusSuccess       status = 0
	statusPending       status = 0x103
	statusCanceled      status = 0xC0000120
	statusNotFound      status = 0xC0000225
	statusInvalidHandle status = 0xC0000008
	statusWrongType     status = 0xC0000024 // STATUS_OBJECT_TYPE_MISMATCH
)

// failed says that a call did nothing.
func (s status) failed() bool { return s >= 0xC0000000 }

// gone says that the handle is not what it was.
func (s status) gone() bool { return s == statusInvalidHandle || s == statusWrongType }

func (s status) Error() string { return fmt.Sprintf("NTSTATUS 0x%08x", uint32(s)) }

// pipeState is what peek found.
type pipeState uint8

const (
	pipeEmpty pipeState = iota
	pipeData
	pipeEnd // nothing left, and nobody writes any more
)
