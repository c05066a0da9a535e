//go:build linux

package iouring

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The part of <linux/io_uring.h> that is used here; golang.org/x/sys/unix has
// the numbers of the system calls only.
const (
	opNop         = 0
	opPollAdd     = 6
	opAsyncCancel = 14

	pollAddMulti   = 1 << 0 // in sqe.len
	sqeSkipSuccess = 1 << 6 // in sqe.flags
	cqeMore        = 1 << 1 // in cqe.flags
	sqOverflow     = 1 << 1 // in the submission ring's flags

	setupCQSize    = 1 << 3
	setupClamp     = 1 << 4
	setupSubmitAll = 1 << 7

	featSingleMmap = 1 << 0
	featNoDrop     = 1 << 1
	featPoll32     = 1 << 6
	featExtArg     = 1 << 8
	featCQESkip    = 1 << 11
	featNoIOWait   = 1 << 17

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3
	enterNoIOWait  = 1 << 7

	offRings   = 0
	offEntries = 0x10000000
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wqFD uint32
	_                                                      [3]uint32
	sq                                                     struct{ head, tail, mask, entries, flags, dropped, array, _ uint32 }
	_                                                      uint64
	cq                                                     struct{ head, tail, mask, entries, overflow, cqes, flags, _ uint32 }
	_                                                      uint64
}

// sqe is struct io_uring_sqe, a request.
type sqe struct {
	opcode, flags uint8
	_             uint16
	fd            int32
	_             uint64
	addr          uint64
	len           uint32
	poll32        [4]byte // poll32_events, by setMask
	userData      uint64
	_             [3]uint64
}

// cqe is struct io_uring_cqe, a completion.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

// arg is struct io_uring_getevents_arg with the timespec it points to.
type arg struct {
	_   uint64
	_   uint32
	_   uint32
	ts  uint64
	sec int64
	ns  int64
}

const argSize = 24

// setMask sets what a poll is for. The word is little-endian, so that its low
// half lies where the 16 bits of older kernels do; on a big-endian machine the
// two halves change places.
func (e *sqe) setMask(mask uint32) {
	if bigEndian {
		mask = mask<<16 | mask>>16
	}
	binary.NativeEndian.PutUint32(e.poll32[:], mask)
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// ring is a submission and a completion ring. The kernel reads requests up to
// the tail of the one and writes completions up to the tail of the other; each
// side moves only the index it owns, after it wrote or read what lies before
// it, and Go's atomics order the two.
//
// Requests and completions belong to whoever holds the poller's lock. Anyone
// may enter: the kernel takes requests in order, whoever hands them over.
type ring struct {
	fd      int
	flags   uintptr // of every io_uring_enter
	rings   []byte
	entries []byte

	sq struct {
		head, tail, flags *uint32
		mask              uint32
		requests          []sqe
	}
	cq struct {
		head, tail  *uint32
		mask        uint32
		completions []cqe
	}
}

// open makes a ring for so many requests and completions.
func (r *ring) open(requests, completions uint32) error {
	p := &params{sqEntries: requests, cqEntries: completions, flags: setupCQSize | setupClamp | setupSubmitAll}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(requests), uintptr(unsafe.Pointer(p)), 0)
	if errno != 0 {
		return os.NewSyscallError("io_uring_setup", errno)
	}
	r.fd = int(fd)
	if err := checkFeatures(p.features); err != nil {
		r.close()
		return err
	}
	if err := r.mmap(p); err != nil {
		r.close()
		return err
	}
	r.flags = enterGetEvents | enterExtArg
	if p.features&featNoIOWait != 0 {
		r.flags |= enterNoIOWait // a sleep in Wait is no wait for a disk
	}
	return nil
}

// mmap maps the rings and finds their parts.
func (r *ring) mmap(p *params) (err error) {
	size := max(p.sq.array+p.sqEntries*4, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(cqe{})))
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.rings, err = unix.Mmap(r.fd, offRings, int(size), prot, flags); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	size = p.sqEntries * uint32(unsafe.Sizeof(sqe{}))
	if r.entries, err = unix.Mmap(r.fd, offEntries, int(size), prot, flags); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }
	r.sq.head, r.sq.tail, r.sq.flags = word(p.sq.head), word(p.sq.tail), word(p.sq.flags)
	r.sq.mask = *word(p.sq.mask)
	r.sq.requests = unsafe.Slice((*sqe)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.cq.head, r.cq.tail = word(p.cq.head), word(p.cq.tail)
	r.cq.mask = *word(p.cq.mask)
	r.cq.completions = unsafe.Slice((*cqe)(unsafe.Pointer(&r.rings[p.cq.cqes])), p.cqEntries)
	for i, array := uint32(0), unsafe.Slice(word(p.sq.array), p.sqEntries); i < p.sqEntries; i++ {
		array[i] = i // requests are handed over in the order they lie in
	}
	return nil
}

// push puts a request in, to be handed over by the next enter. It reports false
// if there is no room.
func (r *ring) push(e sqe) bool {
	tail := *r.sq.tail
	if r.room() == 0 {
		return false
	}
	r.sq.requests[tail&r.sq.mask] = e
	atomic.StoreUint32(r.sq.tail, tail+1)
	return true
}

// staged is how many requests the kernel has not taken yet.
func (r *ring) staged() uint32 { return *r.sq.tail - atomic.LoadUint32(r.sq.head) }

// room is how many more requests there is a place for.
func (r *ring) room() int { return len(r.sq.requests) - int(r.staged()) }

// pop takes the oldest completion out.
func (r *ring) pop() (c cqe, ok bool) {
	head := *r.cq.head
	if head == atomic.LoadUint32(r.cq.tail) {
		return cqe{}, false
	}
	c = r.cq.completions[head&r.cq.mask]
	atomic.StoreUint32(r.cq.head, head+1)
	return c, true
}

// completed reports whether there is a completion to take out. It may be called
// without the lock.
func (r *ring) completed() bool {
	return atomic.LoadUint32(r.cq.head) != atomic.LoadUint32(r.cq.tail)
}

// overflown reports whether the kernel holds completions for which the ring had
// no place. It puts them in when it is entered.
func (r *ring) overflown() bool { return atomic.LoadUint32(r.sq.flags)&sqOverflow != 0 }

// submit wraps io_uring_enter(2) without a wait. As it does not block, Go's
// scheduler need not hear of it.
func (r *ring) submit(a *arg) unix.Errno {
	a.ts = 0
	_, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.staged()), 0,
		r.flags, uintptr(unsafe.Pointer(a)), argSize)
	return errno
}

// wait wraps io_uring_enter(2), which hands over the requests and blocks until
// there is a completion. A negative timeout waits forever.
func (r *ring) wait(a *arg, staged uint32, timeout time.Duration) unix.Errno {
	a.ts = 0
	if timeout >= 0 {
		timeout = min(timeout, maxSleep)
		a.sec, a.ns = int64(timeout/time.Second), int64(timeout%time.Second)
		a.ts = uint64(uintptr(unsafe.Pointer(&a.sec)))
	}
	_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(staged), 1,
		r.flags, uintptr(unsafe.Pointer(a)), argSize)
	return errno
}

// close gives the rings back. Nobody may be inside.
func (r *ring) close() error {
	if r.entries != nil {
		unix.Munmap(r.entries)
	}
	if r.rings != nil {
		unix.Munmap(r.rings)
	}
	return os.NewSyscallError("close", unix.Close(r.fd))
}
