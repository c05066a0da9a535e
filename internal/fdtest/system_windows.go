package fdtest

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"bide/waitctx"

	"golang.org/x/sys/windows"
)

// EBADF is what the system calls a handle that is not open.
const EBADF = windows.ERROR_INVALID_HANDLE

// WildFD is not open.
const WildFD = waitctx.FD(0x7ffffff0)

// The paths of a regular file, a directory, and the null device.
const (
	RegularFile = `C:\windows\system32\kernel32.dll`
	Directory   = `C:\`
	NullDevice  = `NUL`
)

// Addr is where a listener listens.
type Addr = windows.Sockaddr

// Limit is how many descriptors the process may have: a system of Windows has
// millions.
func Limit(testing.TB) int { return 1 << 24 }

// TryWrite writes what is taken of s, if anything.
func (f *File) TryWrite(s string) {
	if _, err := f.write([]byte(s)); err == nil && f.peer != nil && !f.peer.closed {
		poll(f.peer.handle(), pollIn, time.Second)
	}
}

// WriteUrgent writes out-of-band data.
func (f *File) WriteUrgent(s string) error {
	const msgOOB = 1
	b := []byte(s)
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n uint32
	return windows.WSASend(f.handle(), &buf, 1, &n, msgOOB, nil, nil)
}

// ShutdownWrite tells the peer that nothing follows.
func (f *File) ShutdownWrite() error { return windows.Shutdown(f.handle(), windows.SHUT_WR) }

// Reset closes a TCP connection by a reset.
func (f *File) Reset() {
	f.t.Helper()
	linger := windows.Linger{Onoff: 1}
	if err := windows.SetsockoptLinger(f.handle(), windows.SOL_SOCKET, windows.SO_LINGER, &linger); err != nil {
		f.t.Fatalf("SO_LINGER: %v", err)
	}
	f.Close()
}

// HangUp closes the descriptor such that its peer is hung up: with TCP that
// takes a reset.
func (f *File) HangUp() { f.Reset() }

// Connect begins to connect a socket. refused says that it was at once.
func (f *File) Connect(to Addr) (refused bool) {
	f.t.Helper()
	err := windows.Connect(f.handle(), to)
	if err != nil && err != windows.WSAEWOULDBLOCK && err != windows.WSAECONNREFUSED {
		f.t.Fatalf("connect: %v", err)
	}
	return err == windows.WSAECONNREFUSED
}

// Refused says whether the socket's pending error is a refused connect.
func (f *File) Refused() (is bool, err error) {
	const soError = 0x1007
	code, err := windows.GetsockoptInt(f.handle(), windows.SOL_SOCKET, soError)
	if err == nil {
		err = syscall.Errno(code)
	}
	return err == windows.WSAECONNREFUSED, err
}

// The events of WSAPoll.
const (
	pollIn  = 0x100
	pollOut = 0x010
	pollErr = 0x001
	pollHup = 0x002
)

// poll wraps WSAPoll for one socket.
func poll(h windows.Handle, events int16, timeout time.Duration) (revents int16, err error) {
	fds := struct {
		fd              windows.Handle
		events, revents int16
	}{fd: h, events: events}
	r, _, errno := syscall.SyscallN(procPoll.Addr(), uintptr(unsafe.Pointer(&fds)), 1, uintptr(timeout/time.Millisecond))
	if int32(r) < 0 {
		return 0, errno
	}
	return fds.revents, nil
}

// selectWritable waits until a socket is writable, and for nothing else.
func selectWritable(h windows.Handle, timeout time.Duration) bool {
	set := struct { // fd_set
		count uint32
		array [64]windows.Handle
	}{count: 1, array: [64]windows.Handle{h}}
	limit := struct{ sec, usec int32 }{usec: int32(timeout.Microseconds())} // timeval
	r, _, _ := syscall.SyscallN(procSelect.Addr(), 0, 0, uintptr(unsafe.Pointer(&set)), 0,
		uintptr(unsafe.Pointer(&limit)))
	return int32(r) > 0
}

// await blocks until WSAPoll reports events.
func await(t testing.TB, h windows.Handle, events int16) {
	t.Helper()
	if revents, err := poll(h, events, 10*time.Second); err != nil || revents == 0 {
		t.Fatalf("WSAPoll(%#x) = %#x, %v, want %#x", h, revents, err, events)
	}
}

// Poll asks the system itself what a socket is ready for.
//
// POLLHUP is told of a connection that was disconnected or aborted (WSAPOLLFD in
// the documentation of winsock2.h), so also when just the peer has finished
// writing, which lets nobody write.
func Poll(t testing.TB, fd waitctx.FD, i waitctx.Interest) waitctx.Ready {
	t.Helper()
	var events int16
	if i&waitctx.Readable != 0 {
		events |= pollIn
	}
	if i&waitctx.Writable != 0 {
		events |= pollOut
	}
	revents, err := poll(windows.Handle(fd), events, 0)
	if err == windows.WSAENOTSOCK {
		return 0 // it was closed: POLLNVAL elsewhere
	}
	if err != nil {
		t.Fatalf("WSAPoll: %v", err)
	}
	var ready waitctx.Ready
	for _, bit := range []struct {
		poll int16
		told waitctx.Ready
	}{
		{pollIn, waitctx.ReadyIn},
		{pollOut, waitctx.ReadyOut},
		{pollErr, waitctx.ReadyErr},
		{pollHup, waitctx.ReadyHup},
	} {
		if revents&bit.poll != 0 {
			ready |= bit.told
		}
	}
	if ready&(waitctx.ReadyErr|waitctx.ReadyHup) == waitctx.ReadyHup && !aborted(windows.Handle(fd)) {
		ready ^= waitctx.ReadyHup | waitctx.ReadyRdHup
	}
	return ready
}

// aborted says whether reading from a socket fails, other than for want of data.
func aborted(h windows.Handle) bool {
	const msgPeek = 2
	buf := windows.WSABuf{Len: 1, Buf: new(byte)}
	var n, flags uint32 = 0, msgPeek
	err := windows.WSARecv(h, &buf, 1, &n, &flags, nil, nil)
	return err != nil && err != windows.WSAEWOULDBLOCK
}

// Inherited says whether another program gets the handle when it is started.
func Inherited(h int) (bool, error) {
	var flags uint32
	r, _, err := procHandleInfo.Call(uintptr(h), uintptr(unsafe.Pointer(&flags)))
	if r != 0 {
		err = nil
	}
	return flags&windows.HANDLE_FLAG_INHERIT != 0, err
}

// ProcessorTime is what the process has used so far.
func ProcessorTime(t testing.TB) time.Duration {
	t.Helper()
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		t.Fatalf("GetProcessTimes: %v", err)
	}
	ticks := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return time.Duration(ticks(kernel)+ticks(user)) * 100
}

// Check fails the test if it ends with other handles open than it has now. Call
// it first: what is registered with t.Cleanup earlier runs later.
func Check(t testing.TB) {
	t.Helper()
	prepare()
	before := Numbers(t)
	t.Cleanup(func() {
		if after := Numbers(t); !slices.Equal(before, after) {
			t.Errorf("open handles: %v at the start, %v at the end", describe(before), describe(after))
		}
	})
}

// Numbers lists the handles of the process, in order, but for those that Go
// opens for its threads: threads, events, timers, keys.
func Numbers(t testing.TB) []int {
	t.Helper()
	var nums []int
	const gap = 4 * 1024 // behind the last one
	for h, last := 4, 0; h < last+gap; h += 4 {
		switch name := typeName(h); name {
		case "":
			continue
		case "Thread", "Event", "Timer", "Key":
		default:
			nums = append(nums, h)
		}
		last = h
	}
	return nums
}

// typeName is the name of the type of a handle, or empty.
func typeName(h int) string {
	const objectTypeInformation = 2
	var info struct {
		name windows.NTUnicodeString
		rest [1024]byte
	}
	r, _, _ := syscall.SyscallN(procQueryObject.Addr(), uintptr(h), objectTypeInformation,
		uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0)
	switch {
	case r == 0:
		return info.name.String()
	case uint32(r) == 0xC0000008: // STATUS_INVALID_HANDLE
		return ""
	}
	return fmt.Sprintf("NTSTATUS %#x", uint32(r))
}

func describe(nums []int) (all []string) {
	for _, n := range nums {
		all = append(all, fmt.Sprintf("%#x=%s", n, typeName(n)))
	}
	return all
}

// HidesReset says whether reading from a connection that was reset finds the end
// of the stream. That is a fault of Wine's; this shows it without bide.
func HidesReset(t testing.TB) bool {
	t.Helper()
	a, b := TCP(t)
	defer a.Close()
	b.Reset()
	await(t, a.handle(), pollIn)
	n, err := a.read(make([]byte, 1))
	return n == 0 && err == nil
}

// HidesEnd says whether the system tells of the end of a stream only when all
// the bytes before it were read. That is a fault of Wine's; this shows it without
// bide.
func HidesEnd(t testing.TB) bool {
	t.Helper()
	a, b := TCP(t)
	defer a.Close()
	defer b.Close()
	b.Write("x")
	if err := b.ShutdownWrite(); err != nil {
		t.Fatalf("shutdown: %v", err)
	}
	revents, err := poll(a.handle(), pollIn, time.Second)
	if err != nil || revents&pollIn == 0 {
		t.Fatalf("WSAPoll() = %#x, %v, want POLLRDNORM", revents, err)
	}
	return revents&pollHup == 0
}

// DiesOfReuse says whether the system is Wine, whose server ends when it is asked
// to poll a number while another thread is making a socket of that number: a
// poller asks so if the number was closed before its registration was deleted.
// internal/cmd/winedies shows it without bide.
func DiesOfReuse() bool { return ntdll.NewProc("wine_get_version").Find() == nil }
