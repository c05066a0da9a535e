//go:build linux

package iouring_test

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"bide/internal/fdtest"
	"bide/poller/iouring"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// patience is how long something that has to happen may take.
const patience = 10 * time.Second

// loop is a poller on the test's own thread, where Wait is exact.
type loop struct {
	*iouring.Poller
	t    *testing.T
	last waitctx.ID
}

func newLoop(t *testing.T, open func(testing.TB) *iouring.Poller) *loop {
	t.Helper()
	runtime.LockOSThread()
	fdtest.Check(t)
	p := open(t)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
	return &loop{Poller: p, t: t}
}

// change is an add, modify or delete that must succeed. The token of a
// registration is its ID.
func (l *loop) change(op waitctx.Op, f *fdtest.File, id waitctx.ID, i waitctx.Interest) {
	l.t.Helper()
	c := []waitctx.Change{{Op: op, ID: id, FD: f.FD(), Token: waitctx.Token(id), Interest: i}}
	if err := l.Apply(c); err != nil {
		l.t.Fatalf("Apply(op %d) = %v, want nil", op, err)
	}
}

func (l *loop) add(f *fdtest.File, i waitctx.Interest) waitctx.ID {
	l.t.Helper()
	l.last++
	l.change(waitctx.OpAdd, f, l.last, i)
	return l.last
}

func (l *loop) delete(f *fdtest.File, id waitctx.ID) {
	l.t.Helper()
	l.change(waitctx.OpDelete, f, id, 0)
}

// wait waits once and returns the tokens told.
func (l *loop) wait(timeout time.Duration) []waitctx.Event {
	l.t.Helper()
	dst := make([]waitctx.Event, 64)
	n, err := l.Wait(dst, timeout)
	if err != nil {
		l.t.Fatalf("Wait() = %d, %v, want no error", n, err)
	}
	return dst[:n]
}

// expect waits for one event of a registration, which says at least want.
func (l *loop) expect(id waitctx.ID, want waitctx.Ready) {
	l.t.Helper()
	got := l.wait(patience)
	if len(got) != 1 || got[0].Token != waitctx.Token(id) || got[0].Ready&want != want {
		l.t.Fatalf("Wait() = %+v, want token %d with %#x", got, id, want)
	}
}

func (l *loop) silent(timeout time.Duration) {
	l.t.Helper()
	if got := l.wait(timeout); len(got) != 0 {
		l.t.Fatalf("Wait() = %+v, want nothing", got)
	}
}

// readable asks poll(2) whether a file is.
func readable(t *testing.T, num int) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(num), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	if err != nil {
		t.Fatalf("poll: %v", err)
	}
	return n == 1
}

// small makes a poller whose rings are full at once.
func small(t testing.TB) *iouring.Poller {
	t.Helper()
	open(t).Close() // skips
	p, err := iouring.NewSized(2, 4)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMoreCompletionsThanPlaces(t *testing.T) {
	const n = 100
	for _, when := range []string{"ready when added", "ready when armed"} {
		t.Run(when, func(t *testing.T) {
			l := newLoop(t, small)
			r, w := fdtest.Pipe(t)
			if when == "ready when added" {
				w.Write("x")
			}
			var changes []waitctx.Change
			for i := range n {
				changes = append(changes, waitctx.Change{
					Op: waitctx.OpAdd, ID: waitctx.ID(i + 1), FD: r.FD(), Interest: waitctx.Readable, Token: waitctx.Token(i + 1),
				})
			}
			if err := l.Apply(changes); err != nil {
				t.Fatalf("Apply() = %v, want nil", err)
			}
			if when == "ready when armed" {
				l.silent(0)
				w.Write("x")
			}
			for round := range 3 {
				told := make(map[waitctx.Token]bool)
				for range n { // a Wait tells no more than it can arm at once
					for _, e := range l.wait(patience) {
						told[e.Token] = true
					}
				}
				if len(told) != n {
					t.Errorf("round %d told %d of %d registrations", round, len(told), n)
				}
			}
			r.Drain()
			l.silent(0)
			for i := range changes {
				changes[i].Op = waitctx.OpDelete
			}
			if err := l.Apply(changes); err != nil {
				t.Fatalf("Apply() = %v, want nil", err)
			}
			w.Write("x")
			l.silent(0)
		})
	}
}

func TestArmingCostsNoCallOfItsOwn(t *testing.T) {
	l := newLoop(t, open)
	r, w := fdtest.Pipe(t)
	id := l.add(r, waitctx.Readable)
	w.Write("xx")
	l.expect(id, waitctx.ReadyIn)
	r.Read(1)
	const rounds = 100
	before := l.Stats().Enters
	for range rounds {
		l.expect(id, waitctx.ReadyIn) // by what was left
		w.Write("x")
		r.Read(1)
	}
	if n := l.Stats().Enters - before; n != rounds {
		t.Errorf("%d events after partial reads cost %d calls of io_uring_enter, want one each", rounds, n)
	}
}

func TestCompletionOlderThanWaitIsJudgedAnew(t *testing.T) {
	l := newLoop(t, open)
	r, w := fdtest.Pipe(t)
	id := l.add(r, waitctx.Readable)
	for range 3 {
		l.silent(0)
		w.Write("x") // completes the poll
		r.Drain()
		l.silent(0)
		w.Write("x")
		l.expect(id, waitctx.ReadyIn)
		r.Drain()
	}
}

// The second call for deletes is the fence.
func TestBatchCostsACallOrTwo(t *testing.T) {
	l := newLoop(t, open)
	r, _ := fdtest.Pipe(t)
	changes := make([]waitctx.Change, 200)
	for i := range changes {
		changes[i] = waitctx.Change{Op: waitctx.OpAdd, ID: waitctx.ID(i + 1), FD: r.FD(), Interest: waitctx.Readable}
	}
	for _, step := range []struct {
		op   waitctx.Op
		want uint64
	}{{waitctx.OpAdd, 1}, {waitctx.OpModify, 0}, {waitctx.OpDelete, 2}} {
		for i := range changes {
			changes[i].Op, changes[i].Interest = step.op, waitctx.Readable|waitctx.Writable
		}
		before := l.Stats().Ctl
		if err := l.Apply(changes); err != nil {
			t.Fatalf("Apply(op %d) = %v, want nil", step.op, err)
		}
		if n := l.Stats().Ctl - before; n != step.want {
			t.Errorf("%d changes of op %d cost %d calls, want %d", len(changes), step.op, n, step.want)
		}
	}
}

// An outstanding poll holds the file. What was deleted must be held no more,
// or the peer of a connection that was closed afterwards would hear nothing.
func TestDeleteLetsGoOfTheFile(t *testing.T) {
	l := newLoop(t, open)
	a, b := fdtest.TCP(t)
	id := l.add(a, waitctx.Readable)
	l.silent(0)
	l.delete(a, id)
	a.Close()
	if !readable(t, b.Num()) || b.Read(1) != "" {
		t.Error("the peer heard no end of file when the descriptor was closed after its delete")
	}
}

func TestModifyThenDeleteLetsGoOfTheFile(t *testing.T) {
	l := newLoop(t, open)
	a, b := fdtest.TCP(t)
	a.Fill()
	id := l.add(a, waitctx.Readable)
	l.silent(0)
	l.change(waitctx.OpModify, a, id, waitctx.Readable|waitctx.Writable)
	l.silent(0)
	l.delete(a, id)
	a.Close()
	b.Drain()
	if !readable(t, b.Num()) {
		t.Error("the peer heard no end of file when the descriptor was closed after its delete")
	}
}

func TestCloseLetsGoOfTheFiles(t *testing.T) {
	l := newLoop(t, open)
	a, b := fdtest.TCP(t)
	l.add(a, waitctx.Readable)
	l.silent(0)
	if err := l.Close(); err != nil {
		t.Fatalf("Close() = %v, want nil", err)
	}
	a.Close()
	if !readable(t, b.Num()) {
		t.Error("the peer heard no end of file when the descriptor was closed after the poller")
	}
}

// elsewhere runs fn on a thread of its own, which is busy until the function
// returned is called, and then ends: in calls that only a deadly signal ends, so
// that it sees late what the kernel leaves it to do. Each copies 2 MiB so many
// times.
func elsewhere(t *testing.T, times int, fn func()) (end func()) {
	t.Helper()
	const size = 2 << 20
	from, to := make([]byte, size), make([]byte, size)
	local, remote := make([]unix.Iovec, times), make([]unix.RemoteIovec, times)
	for i := range times {
		local[i] = unix.Iovec{Base: &to[0]}
		local[i].SetLen(size)
		remote[i] = unix.RemoteIovec{Base: uintptr(unsafe.Pointer(&from[0])), Len: size}
	}
	copied := func(n int) error {
		_, err := unix.ProcessVMReadv(os.Getpid(), local[:n], remote[:n], 0)
		return err
	}
	if err := copied(1); err != nil {
		t.Fatalf("process_vm_readv of this process: %v", err)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	var quit atomic.Bool
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlocked, so that the thread ends
		fn()
		close(done)
		for !quit.Load() {
			copied(times)
		}
		runtime.KeepAlive(from)
	}()
	<-done
	return func() {
		quit.Store(true)
		<-ended
	}
}

// The kernel completes a canceled poll on the thread that armed it. A listener
// that was still held could not be opened anew on its port.
func TestDeleteOnAnotherThreadLetsGoOfTheFile(t *testing.T) {
	l := newLoop(t, open)
	for range 50 {
		f, addr := fdtest.Listen(t)
		var id waitctx.ID
		end := elsewhere(t, 1, func() { id = l.add(f, waitctx.Readable) })
		l.delete(f, id)
		f.Close()
		again := fdtest.Socket(t)
		err := unix.Bind(again.Num(), addr)
		if err == nil {
			err = unix.Listen(again.Num(), 1)
		}
		end()
		if err != nil {
			t.Fatalf("listening on the port again after delete and close: %v, want nil", err)
		}
		again.Close()
	}
}

// A delete may have to wait for a thread that cannot be interrupted. A Wake meanwhile
// does not, and a Wait under way hears of it. That the delete waits is told by its
// system calls, one a millisecond. The thread may go on before all is said: one of
// ten times has to do.
func TestWakeDuringADeleteThatWaits(t *testing.T) {
	l := newLoop(t, open)
	r, _ := fdtest.Pipe(t)
	for range 10 {
		var id waitctx.ID
		end := elsewhere(t, 1000, func() { id = l.add(r, waitctx.Readable) })
		waited, deleted := make(chan error, 1), make(chan struct{})
		before := l.Stats().Enters
		go func() {
			_, err := l.Wait(make([]waitctx.Event, 1), -1)
			waited <- err
		}()
		go func() {
			defer close(deleted)
			l.delete(r, id)
		}()
		for !closed(deleted) && l.Stats().Enters-before < 20 {
			runtime.Gosched()
		}
		if err := l.Wake(); err != nil {
			t.Fatalf("Wake() = %v, want nil", err)
		}
		if err := <-waited; err != nil {
			t.Fatalf("Wait() = %v, want nil", err)
		}
		during := !closed(deleted)
		end()
		<-deleted
		if during {
			return
		}
	}
	t.Error("no Wake reached a Wait before the delete had ended")
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestArmedOnAnotherThread(t *testing.T) {
	l := newLoop(t, open)
	r, w := fdtest.Pipe(t)
	var id waitctx.ID
	end := elsewhere(t, 1, func() { id = l.add(r, waitctx.Readable) })
	defer end()
	w.Write("x")
	l.expect(id, waitctx.ReadyIn)
}

func TestThreadThatArmedHasEnded(t *testing.T) {
	l := newLoop(t, open)
	for range 20 {
		r, w := fdtest.Pipe(t)
		var id waitctx.ID
		elsewhere(t, 1, func() { id = l.add(r, waitctx.Readable) })()
		w.Write("x")
		l.expect(id, waitctx.ReadyIn)
		r.Drain()
		l.silent(0)
		l.delete(r, id)
	}
}

// The kernel adds POLLRDHUP to every poll, so that a half-closed socket
// completes one that is not for reading again and again.
func TestHalfClosedAndNotForReading(t *testing.T) {
	l := newLoop(t, open)
	a, b := fdtest.TCP(t)
	a.Fill()
	id := l.add(a, waitctx.Writable)
	silent := l.add(a, waitctx.Silent)
	l.silent(0)
	if err := unix.Shutdown(b.Num(), unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	before := l.Stats().Enters
	l.silent(100 * time.Millisecond)
	if n := l.Stats().Enters - before; n > 10 {
		t.Errorf("a Wait with nothing to tell entered the kernel %d times", n)
	}
	for range 2 { // it still hears of what it is for, as often as that is so
		b.Drain()
		l.expect(id, waitctx.ReadyOut)
		l.expect(id, waitctx.ReadyOut)
		a.Fill()
		l.silent(20 * time.Millisecond)
	}
	l.delete(a, id)
	if err := unix.SetsockoptLinger(b.Num(), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		t.Fatal(err)
	}
	b.Close()
	l.expect(silent, waitctx.ReadyHup)
}

// Data wakes a poll for out-of-band data too, and is not to be told as such.
func TestDataIsNoPriority(t *testing.T) {
	l := newLoop(t, open)
	a, b := fdtest.TCP(t)
	id := l.add(a, waitctx.Priority)
	l.silent(0)
	type result struct {
		n     int
		err   error
		event waitctx.Event
	}
	got := make(chan result, 1)
	go func() {
		dst := make([]waitctx.Event, 1)
		n, err := l.Wait(dst, patience)
		for err == waitctx.ErrBusy { // the probe below was inside
			n, err = l.Wait(dst, patience)
		}
		got <- result{n, err, dst[0]}
	}()
	for { // until the other one is inside
		if _, err := l.Wait(nil, 0); err == waitctx.ErrBusy {
			break
		}
	}
	for before := l.Stats().Enters; l.Stats().Enters < before+3; runtime.Gosched() {
		b.Write("x")
		select {
		case r := <-got:
			t.Fatalf("Wait() = %d, %v with %#x after data, want it to go on", r.n, r.err, r.event.Ready)
		default:
		}
	}
	if err := unix.Sendto(b.Num(), []byte("!"), unix.MSG_OOB, nil); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.n != 1 || r.event.Token != waitctx.Token(id) || r.event.Ready != waitctx.ReadyPri {
		t.Errorf("Wait() = %d, %v with %+v, want Pri of token %d", r.n, r.err, r.event, id)
	}
}

func TestSuppressedIsNotArmed(t *testing.T) {
	l := newLoop(t, open)
	a, b := fdtest.Socketpair(t)
	id := l.add(a, waitctx.Readable)
	b.Close()
	l.expect(id, waitctx.ReadyHup)
	l.Suppress(a.FD(), id)
	before := l.Stats().Enters
	l.silent(0)
	if n := l.Stats().Enters - before; n != 0 {
		t.Errorf("a Wait with all suppressed entered the kernel %d times, want 0", n)
	}
	l.Rearm(a.FD(), id)
	l.expect(id, waitctx.ReadyHup)
}

func TestNumberClosedAndFree(t *testing.T) {
	l := newLoop(t, open)
	l.silent(time.Millisecond) // opens what it sleeps on, which could take the number
	r, w := fdtest.Pipe(t)
	id := l.add(r, waitctx.Readable)
	w.Write("x")
	l.expect(id, waitctx.ReadyIn)
	r.Close()
	for range 2 {
		l.expect(id, waitctx.ReadyClosed)
		l.silent(0) // once
		l.Suppress(r.FD(), id)
		l.silent(0)
		l.Rearm(r.FD(), id)
	}
	l.delete(r, id)
	l.silent(0)
}

// FD must be readable whenever Wait has something to return, also for what is
// not armed because it fired.
func TestFDOfWhatFired(t *testing.T) {
	l := newLoop(t, open)
	r, w := fdtest.Pipe(t)
	id := l.add(r, waitctx.Readable)
	fd, ok := l.FD()
	if !ok {
		t.Fatal("FD() = false, want true")
	}
	check := func(want bool, when string) {
		t.Helper()
		if got := readable(t, int(fd)); got != want {
			t.Errorf("FD is readable: %v, want %v %s", got, want, when)
		}
	}
	check(false, "with nothing ready")
	w.Write("x")
	check(true, "with data")
	l.expect(id, waitctx.ReadyIn)
	check(true, "with data left")
	l.Suppress(r.FD(), id)
	l.silent(0)
	check(false, "when suppressed")
	w.Write("x")
	check(false, "with more data when suppressed")
	l.Rearm(r.FD(), id)
	check(true, "when rearmed")
	l.expect(id, waitctx.ReadyIn)
	r.Drain()
	l.silent(0)
	check(false, "when drained")
	l.change(waitctx.OpModify, r, id, waitctx.Readable|waitctx.Priority)
	l.silent(0) // takes the completion of the canceled poll
	check(false, "when modified")
	w.Write("x")
	check(true, "with data after a modify")
	r.Drain()
	l.silent(0)
	if err := l.Wake(); err != nil {
		t.Fatal(err)
	}
	check(true, "after Wake")
	l.silent(patience)
	check(false, "after the Wait that Wake ended")
}

func TestFDAfterWake(t *testing.T) {
	l := newLoop(t, open)
	if err := l.Wake(); err != nil {
		t.Fatal(err)
	}
	if fd, _ := l.FD(); !readable(t, int(fd)) {
		t.Error("FD is not readable after Wake")
	}
}

func TestFileWithoutQueue(t *testing.T) {
	l := newLoop(t, open)
	f := fdtest.Open(t, "/")
	c := []waitctx.Change{{Op: waitctx.OpAdd, ID: 1, FD: f.FD(), Interest: waitctx.Silent}}
	if err := l.Apply(c); !errors.Is(err, waitctx.ErrNotPollable) {
		t.Errorf("Apply() of a directory that is to be silent = %v, want ErrNotPollable", err)
	}
}
