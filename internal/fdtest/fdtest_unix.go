//go:build unix

package fdtest

import (
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// File is an open descriptor of a test: non-blocking, close-on-exec, and
// closed at the test's end unless it was before. It is not an os.File, so that
// Go's own poller stays out of the way.
type File struct {
	t      testing.TB
	num    int
	closed bool
}

// New takes over an open descriptor.
func New(t testing.TB, num int) *File {
	t.Helper()
	unix.CloseOnExec(num)
	if err := unix.SetNonblock(num, true); err != nil {
		t.Fatalf("SetNonblock(%d): %v", num, err)
	}
	f := &File{t: t, num: num}
	t.Cleanup(f.Close)
	return f
}

// Num is the descriptor's number, also after Close.
func (f *File) Num() int { return f.num }

// FD is Num as waits want it.
func (f *File) FD() waitctx.FD { return waitctx.FD(f.num) }

// Close closes the descriptor, once. The number may belong to another file
// from then on.
func (f *File) Close() {
	if f.closed {
		return
	}
	f.closed = true
	if err := unix.Close(f.num); err != nil {
		f.t.Errorf("close(%d): %v", f.num, err)
	}
}

// Closed says whether Close was called.
func (f *File) Closed() bool { return f.closed }

// Dup opens a second descriptor of the same file.
func (f *File) Dup() *File {
	f.t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	num, err := unix.Dup(f.num)
	if err != nil {
		f.t.Fatalf("dup(%d): %v", f.num, err)
	}
	return New(f.t, num)
}

// Reopen closes the descriptor and makes its number one of g's file: the way a
// number gets reused, without the luck.
func (f *File) Reopen(g *File) *File {
	f.t.Helper()
	f.closed = true
	if err := dup2(g.num, f.num); err != nil {
		f.t.Fatalf("dup2(%d, %d): %v", g.num, f.num, err)
	}
	return New(f.t, f.num)
}

// TryReopen is Reopen, where that may fail. Here it does not.
func (f *File) TryReopen(g *File) *File {
	f.t.Helper()
	return f.Reopen(g)
}

// Write writes s and fails the test unless all of it was taken.
func (f *File) Write(s string) {
	f.t.Helper()
	n, err := unix.Write(f.num, []byte(s))
	if err != nil || n != len(s) {
		f.t.Fatalf("write(%d) = %d, %v, want %d", f.num, n, err, len(s))
	}
}

// Read reads at most n bytes.
func (f *File) Read(n int) string {
	f.t.Helper()
	b := make([]byte, n)
	n, err := unix.Read(f.num, b)
	if err != nil {
		f.t.Fatalf("read(%d): %v", f.num, err)
	}
	return string(b[:n])
}

// Drain reads until nothing is left: end of file, an error, or would-block.
func (f *File) Drain() {
	var b [64 << 10]byte
	for {
		n, err := unix.Read(f.num, b[:])
		if err != unix.EINTR && (err != nil || n == 0) {
			return
		}
	}
}

// Fill writes until nothing more is taken.
func (f *File) Fill() {
	var b [64 << 10]byte
	for size := len(b); size > 0; {
		_, err := unix.Write(f.num, b[:size])
		if err != nil && err != unix.EINTR {
			size /= 2
		}
	}
}

// Pipe opens a pipe.
func Pipe(t testing.TB) (r, w *File) {
	t.Helper()
	var fds [2]int
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatalf("pipe: %v", err)
	}
	return New(t, fds[0]), New(t, fds[1])
}

// Socketpair opens two connected Unix stream sockets.
func Socketpair(t testing.TB) (a, b *File) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatalf("socketpair: %v", err)
	}
	return New(t, fds[0]), New(t, fds[1])
}

// Socket opens an IPv4 TCP socket that is neither bound nor connected.
func Socket(t testing.TB) *File {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	num, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	return New(t, num)
}

// Listen opens a TCP listener on a free port of the loopback address.
func Listen(t testing.TB) (*File, Addr) {
	t.Helper()
	l := Socket(t)
	if err := unix.Bind(l.num, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatalf("bind: %v", err)
	}
	if err := unix.Listen(l.num, 16); err != nil {
		t.Fatalf("listen: %v", err)
	}
	addr, err := unix.Getsockname(l.num)
	if err != nil {
		t.Fatalf("getsockname: %v", err)
	}
	return l, addr
}

// TCP opens two ends of a TCP connection over the loopback.
func TCP(t testing.TB) (a, b *File) {
	t.Helper()
	l, addr := Listen(t)
	defer l.Close()
	a = Socket(t)
	if err := unix.Connect(a.num, addr); err != nil && err != unix.EINPROGRESS {
		t.Fatalf("connect: %v", err)
	}
	await(t, l.num, unix.POLLIN)
	num, _, err := unix.Accept(l.num)
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	await(t, a.num, unix.POLLOUT)
	return a, New(t, num)
}

// Open opens a path for reading.
func Open(t testing.TB, path string) *File {
	t.Helper()
	num, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	return New(t, num)
}

// await blocks until poll(2) reports events.
func await(t testing.TB, num int, events int16) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(num), Events: events}}
	for {
		n, err := unix.Poll(fds, 10_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("poll(%d) = %d, %v, want 1", num, n, err)
		}
		return
	}
}

// Check fails the test if it ends with other descriptors open than it has now.
// Call it first: what is registered with t.Cleanup earlier runs later.
func Check(t testing.TB) {
	t.Helper()
	Numbers(t) // the first look may open descriptors of Go's own poller
	before := Numbers(t)
	t.Cleanup(func() {
		if after := Numbers(t); !equal(before, after) {
			t.Errorf("open descriptors: %v at the start, %v at the end (%s)",
				before, after, describe(after))
		}
	})
}

// Numbers lists the open descriptors of the process, in order.
func Numbers(t testing.TB) []int {
	t.Helper()
	dir, err := os.Open("/dev/fd")
	if err != nil {
		t.Skipf("no list of descriptors: %v", err)
	}
	own := int(dir.Fd())
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		t.Fatalf("reading /dev/fd: %v", err)
	}
	var nums []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n != own {
			nums = append(nums, n)
		}
	}
	sort.Ints(nums)
	return nums
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// describe says what the numbers stand for, where /proc tells.
func describe(nums []int) string {
	var b strings.Builder
	for _, n := range nums {
		if to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(n)); err == nil {
			b.WriteString(" " + strconv.Itoa(n) + "=" + to)
		}
	}
	return strings.TrimSpace(b.String())
}
