package fdtest

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"bide/waitctx"

	"golang.org/x/sys/windows"
)

var (
	ws2_32   = windows.NewLazySystemDLL("ws2_32.dll")
	kernel32 = windows.NewLazySystemDLL("kernel32.dll")
	ntdll    = windows.NewLazySystemDLL("ntdll.dll")

	procAccept      = ws2_32.NewProc("accept")
	procIoctlsocket = ws2_32.NewProc("ioctlsocket")
	procPoll        = ws2_32.NewProc("WSAPoll")
	procSelect      = ws2_32.NewProc("select")
	procPeek        = kernel32.NewProc("PeekNamedPipe")
	procHandleInfo  = kernel32.NewProc("GetHandleInformation")
	procQueryObject = ntdll.NewProc("NtQueryObject")
)

var startup = sync.OnceFunc(func() {
	var data windows.WSAData
	if err := windows.WSAStartup(0x202, &data); err != nil {
		panic(err)
	}
	time.AfterFunc(time.Hour, func() {}).Stop() // the first timer has Go open a port of its own
	for range 16 {
		addBallast(0)
	}
	makeThreads(16)
})

// prepare is called at a test's start. There has to be ballast below the number of
// each file, and one that the system has given up since would be a file's.
func prepare() {
	startup()
	for {
		e, err := windows.CreateEvent(nil, 1, 0, nil)
		if err != nil {
			return
		}
		if len(ballast) > 0 && e > ballast[len(ballast)-1] {
			windows.CloseHandle(e)
			return
		}
		ballast = append(ballast, e)
	}
}

// makeThreads has Go start so many threads. Each has events of its own, and one
// that is started later may get the number that Reopen waits for.
func makeThreads(n int) {
	var started sync.WaitGroup
	enough := make(chan struct{})
	for range n {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			<-enough
		}()
	}
	started.Wait()
	close(enough)
}

// File is a non-blocking socket of a test, or an end of an anonymous pipe, or
// another handle; closed at the test's end unless it was before.
type File struct {
	t      testing.TB
	num    int
	closed bool
	socket bool
	peer   *File // the other end, if it is a socket of this test
}

func newFile(t testing.TB, h windows.Handle, socket bool) *File {
	t.Helper()
	f := &File{t: t, num: int(h), socket: socket}
	if socket {
		var on uint32 = 1
		const fionbio = 0x8004667e
		if r, _, err := procIoctlsocket.Call(uintptr(h), fionbio, uintptr(unsafe.Pointer(&on))); r != 0 {
			t.Fatalf("FIONBIO: %v", err)
		}
	}
	t.Cleanup(f.Close)
	return f
}

// New takes over a handle that is no socket.
func New(t testing.TB, h windows.Handle) *File {
	t.Helper()
	return newFile(t, h, false)
}

// Num is the handle, also after Close.
func (f *File) Num() int { return f.num }

// FD is Num as waits want it.
func (f *File) FD() waitctx.FD { return waitctx.FD(f.num) }

func (f *File) handle() windows.Handle { return windows.Handle(f.num) }

// Close closes the handle, once. The number may belong to another from then on.
func (f *File) Close() {
	if f.closed {
		return
	}
	f.closed = true
	closeHandle := windows.CloseHandle
	if f.socket {
		closeHandle = windows.Closesocket
	}
	if err := closeHandle(f.handle()); err != nil {
		f.t.Errorf("close(%#x): %v", f.num, err)
	}
}

// Closed says whether Close was called.
func (f *File) Closed() bool { return f.closed }

// Dup opens a second handle of the same socket.
func (f *File) Dup() *File {
	f.t.Helper()
	d := newFile(f.t, f.dup(), true)
	d.peer = f.peer
	return d
}

func (f *File) dup() windows.Handle {
	f.t.Helper()
	h, err := duplicate(f.handle())
	if err != nil {
		f.t.Fatalf("duplicate of %#x: %v", f.num, err)
	}
	return h
}

// duplicate opens a second handle of a socket.
func duplicate(h windows.Handle) (windows.Handle, error) {
	var info windows.WSAProtocolInfo
	if err := windows.WSADuplicateSocket(h, windows.GetCurrentProcessId(), &info); err != nil {
		return windows.InvalidHandle, os.NewSyscallError("WSADuplicateSocket", err)
	}
	h, err := windows.WSASocket(-1, -1, -1, &info, 0, socketFlags)
	return h, os.NewSyscallError("WSASocket", err)
}

// Reopen closes the handle and makes its number one of g's socket. There is no
// call for that: it duplicates g until the system hands the number out again. If
// that fails, it ends the function that Retry runs.
func (f *File) Reopen(g *File) *File {
	f.t.Helper()
	d := f.TryReopen(g)
	if d == nil {
		f.t.Logf("handle %#x was not to be had again: it is %q now, and the ballast %#x", f.num, typeName(f.num), ballast)
		panic(errTaken)
	}
	return d
}

// TryReopen is Reopen, but returns nil if the system does not hand the number
// out soon.
func (f *File) TryReopen(g *File) *File {
	f.t.Helper()
	f.Close()
	for range 3 {
		if h, ok := g.dupAs(windows.Handle(f.num)); ok {
			d := newFile(f.t, h, true)
			d.peer = g.peer
			return d
		}
	}
	return nil
}

// ballast are events with low numbers, the lowest last.
var ballast []windows.Handle

// addBallast adds an event with the lowest number that is free, but for one.
func addBallast(but windows.Handle) {
	e, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return
	}
	if e == but {
		defer windows.CloseHandle(e)
		addBallast(0)
		return
	}
	ballast = append(ballast, e)
	slices.SortFunc(ballast, func(a, b windows.Handle) int { return cmp.Compare(b, a) })
}

// dupAs duplicates a socket under a number that is free. Duplicating takes two
// numbers, of which the second remains: so a piece of ballast makes room for the
// first, and events hold all others but the one that is wanted.
func (f *File) dupAs(want windows.Handle) (windows.Handle, bool) {
	f.t.Helper()
	for range 100 {
		e, err := windows.CreateEvent(nil, 1, 0, nil)
		if err != nil {
			f.t.Fatalf("CreateEvent: %v", err)
		}
		if e != want {
			defer windows.CloseHandle(e)
			continue
		}
		if len(ballast) == 0 {
			f.t.Fatal("no ballast is left to make room for a duplicate")
		}
		windows.CloseHandle(e)
		windows.CloseHandle(ballast[len(ballast)-1])
		ballast = ballast[:len(ballast)-1]
		h := f.dup()
		if h != want { // some thread took a number meanwhile
			windows.Closesocket(h)
			h = 0
		}
		addBallast(want)
		return h, h == want
	}
	return 0, false
}

// Write writes s, fails the test unless all of it was taken, and returns when
// the other end can read it, as a Unix pipe has it.
func (f *File) Write(s string) {
	f.t.Helper()
	n, err := f.write([]byte(s))
	if err != nil || n != len(s) {
		f.t.Fatalf("write(%#x) = %d, %v, want %d", f.num, n, err, len(s))
	}
	if f.peer != nil && !f.peer.closed {
		await(f.t, f.peer.handle(), pollIn)
	}
}

func (f *File) write(b []byte) (int, error) {
	if !f.socket {
		return windows.Write(f.handle(), b)
	}
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n uint32
	err := windows.WSASend(f.handle(), &buf, 1, &n, 0, nil, nil)
	return int(n), err
}

func (f *File) read(b []byte) (int, error) {
	if !f.socket {
		if f.pending() == 0 {
			return 0, nil
		}
		return windows.Read(f.handle(), b)
	}
	buf := windows.WSABuf{Len: uint32(len(b)), Buf: &b[0]}
	var n, flags uint32
	err := windows.WSARecv(f.handle(), &buf, 1, &n, &flags, nil, nil)
	return int(n), err
}

// pending is how many bytes are in a pipe, 0 at its end.
func (f *File) pending() (n uint32) {
	procPeek.Call(uintptr(f.num), 0, 0, 0, uintptr(unsafe.Pointer(&n)), 0)
	return n
}

// Read reads at most n bytes.
func (f *File) Read(n int) string {
	f.t.Helper()
	b := make([]byte, n)
	n, err := f.read(b)
	if err != nil {
		f.t.Fatalf("read(%#x): %v", f.num, err)
	}
	return string(b[:n])
}

// Drain reads until nothing is left: end of file, an error, or would-block.
func (f *File) Drain() {
	var b [64 << 10]byte
	for {
		if n, err := f.read(b[:]); err != nil || n == 0 {
			return
		}
	}
}

// Fill writes until nothing more is taken. The system moves bytes on to the
// peer's buffer meanwhile, so that it must stay full for a moment. select says
// that, as WSAPoll comes back at once with a hang-up when the peer has finished.
func (f *File) Fill() {
	var b [64 << 10]byte
	for settled := false; !settled; {
		for size := len(b); size > 0; {
			if _, err := f.write(b[:size]); err != nil {
				size /= 2
			}
		}
		settled = !selectWritable(f.handle(), 100*time.Millisecond) || f.over()
	}
}

// over says that writing fails for good.
func (f *File) over() bool {
	_, err := f.write([]byte{0})
	return err != nil && err != windows.WSAEWOULDBLOCK
}

const socketFlags = windows.WSA_FLAG_OVERLAPPED | windows.WSA_FLAG_NO_HANDLE_INHERIT

// Pipe stands for a pipe: two connected sockets, used one way.
func Pipe(t testing.TB) (r, w *File) {
	t.Helper()
	return TCP(t)
}

// Socketpair opens two connected stream sockets.
func Socketpair(t testing.TB) (a, b *File) {
	t.Helper()
	return TCP(t)
}

// AnonymousPipe opens a pipe as the system has it.
func AnonymousPipe(t testing.TB) (r, w *File) {
	t.Helper()
	var rh, wh windows.Handle
	if err := windows.CreatePipe(&rh, &wh, nil, 0); err != nil {
		t.Fatalf("CreatePipe: %v", err)
	}
	return New(t, rh), New(t, wh)
}

// Socket opens an IPv4 TCP socket that is neither bound nor connected.
func Socket(t testing.TB) *File {
	t.Helper()
	h, err := rawSocket()
	if err != nil {
		t.Fatalf("WSASocket: %v", err)
	}
	return newFile(t, h, true)
}

func rawSocket() (windows.Handle, error) {
	startup()
	return windows.WSASocket(windows.AF_INET, windows.SOCK_STREAM, 0, nil, 0, socketFlags)
}

// Listen opens a TCP listener on a free port of the loopback address.
func Listen(t testing.TB) (*File, Addr) {
	t.Helper()
	l := Socket(t)
	addr, err := listen(l.handle())
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return l, addr
}

func listen(h windows.Handle) (Addr, error) {
	if err := windows.Bind(h, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := windows.Listen(h, 16); err != nil {
		return nil, err
	}
	return windows.Getsockname(h)
}

// TCP opens two ends of a TCP connection over the loopback, with small buffers,
// so that they are soon full.
func TCP(t testing.TB) (a, b *File) {
	t.Helper()
	ha, hb, err := rawPair()
	if err != nil {
		t.Fatalf("a connection: %v", err)
	}
	a, b = newFile(t, ha, true), newFile(t, hb, true)
	a.peer, b.peer = b, a
	return a, b
}

// rawPair connects two blocking sockets.
func rawPair() (a, b windows.Handle, err error) {
	l, err := rawSocket()
	if err != nil {
		return 0, 0, err
	}
	defer windows.Closesocket(l)
	limit(l)
	addr, err := listen(l)
	if err != nil {
		return 0, 0, err
	}
	if a, err = rawSocket(); err != nil {
		return 0, 0, err
	}
	limit(a)
	if err := windows.Connect(a, addr); err != nil {
		windows.Closesocket(a)
		return 0, 0, err
	}
	r, _, errno := syscall.SyscallN(procAccept.Addr(), uintptr(l), 0, 0)
	if b = windows.Handle(r); b == windows.InvalidHandle {
		windows.Closesocket(a)
		return 0, 0, errno
	}
	windows.SetHandleInformation(b, windows.HANDLE_FLAG_INHERIT, 0)
	return a, b, nil
}

// limit sets small buffers, which must be done before the connection is made,
// and has bytes sent at once.
func limit(h windows.Handle) {
	windows.SetsockoptInt(h, windows.SOL_SOCKET, windows.SO_SNDBUF, 16<<10)
	windows.SetsockoptInt(h, windows.SOL_SOCKET, windows.SO_RCVBUF, 16<<10)
	windows.SetsockoptInt(h, windows.IPPROTO_TCP, windows.TCP_NODELAY, 1)
}

// Open opens a path for reading.
func Open(t testing.TB, path string) *File {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		t.Fatalf("CreateFile %s: %v", path, err)
	}
	return New(t, h)
}
