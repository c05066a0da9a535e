//go:build linux

package kqmodel

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

// queue is a Queue of a test.
type queue struct {
	*Queue
	t *testing.T
}

// each runs a test on every system.
func each(t *testing.T, fn func(t *testing.T, q queue)) {
	for _, system := range Systems {
		t.Run(system.Caps.System, func(t *testing.T) { fn(t, open(t, system)) })
	}
}

func open(t *testing.T, system System) queue {
	t.Helper()
	fdtest.Check(t)
	q, err := Open(system)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return queue{q, t}
}

// change applies one change, and returns its errno.
func (q queue) change(f *fdtest.File, filter kqsys.Filter, flags kqsys.Flags, udata uintptr) error {
	c := kqsys.Event{Ident: uintptr(f.Num()), Filter: filter, Flags: flags, Udata: udata}
	_, err := q.Kevent([]kqsys.Event{c}, nil, nil)
	return err
}

func (q queue) must(f *fdtest.File, filter kqsys.Filter, flags kqsys.Flags) {
	q.t.Helper()
	if err := q.change(f, filter, flags, 1); err != nil {
		q.t.Fatalf("Kevent(%#x) = %v, want nil", flags, err)
	}
}

// rows collects what is pending.
func (q queue) rows() []kqsys.Event {
	q.t.Helper()
	events, zero := make([]kqsys.Event, 16), time.Duration(0)
	n, err := q.Kevent(nil, events, &zero)
	if err != nil {
		q.t.Fatalf("Kevent() = %v, want nil", err)
	}
	return events[:n]
}

// one fails unless exactly one row is pending.
func (q queue) one() kqsys.Event {
	q.t.Helper()
	rows := q.rows()
	if len(rows) != 1 {
		q.t.Fatalf("Kevent() = %+v, want one row", rows)
	}
	return rows[0]
}

func (q queue) none() {
	q.t.Helper()
	if rows := q.rows(); len(rows) != 0 {
		q.t.Fatalf("Kevent() = %+v, want none", rows)
	}
}

func TestFilterRunsAtAddAndAtRetrieval(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		w.Write("abc")
		q.must(r, kqsys.Read, kqsys.Add)
		for range 2 { // the state remains
			if row := q.one(); row.Ident != uintptr(r.Num()) || row.Filter != kqsys.Read || row.Data != 3 {
				t.Fatalf("row = %+v, want Read of %d with 3 bytes", row, r.Num())
			}
		}
		r.Drain()
		q.none()
		w.Write("x")
		q.one()
	})
}

func TestAddOfWhatIsThereModifies(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		w.Write("x")
		q.change(r, kqsys.Read, kqsys.Add, 1)
		if row := q.one(); row.Udata != 1 {
			t.Fatalf("udata = %d, want 1", row.Udata)
		}
		q.change(r, kqsys.Read, kqsys.Add, 2)
		if row := q.one(); row.Udata != 2 || q.Len() != 1 {
			t.Fatalf("udata = %d with %d knotes, want 2 with 1", row.Udata, q.Len())
		}
		q.change(r, kqsys.Read, kqsys.Enable, 3) // any change sets it
		if row := q.one(); row.Udata != 3 {
			t.Fatalf("udata = %d, want 3", row.Udata)
		}
	})
}

func TestDisabledIsNotReturned(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		q.must(r, kqsys.Read, kqsys.Add)
		w.Write("x")
		q.one()
		q.must(r, kqsys.Read, kqsys.Disable)
		q.none()
		q.must(r, kqsys.Read, kqsys.Add) // does not enable what is there
		q.none()
		q.must(r, kqsys.Read, kqsys.Add|kqsys.Enable)
		q.one()
		q.must(r, kqsys.Read, kqsys.Disable)
		q.none()
		q.must(r, kqsys.Read, kqsys.Enable)
		if n := len(q.rows()); (n == 1) != q.system.enableLooks {
			t.Errorf("%d rows after EV_ENABLE alone, enableLooks is %v", n, q.system.enableLooks)
		}
		q.must(r, kqsys.Read, kqsys.Delete)
		q.must(r, kqsys.Read, kqsys.Add|kqsys.Disable)
		q.none()
	})
}

func TestClearAndOneshot(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		w.Write("x")
		q.must(r, kqsys.Read, kqsys.Add|kqsys.Clear)
		q.one()
		q.none()
		w.Write("y")
		q.one()
		q.none()
		q.must(r, kqsys.Read, kqsys.Add) // leaves EV_CLEAR as it is
		q.one()
		q.none()
		q.must(r, kqsys.Read, kqsys.Delete)
		q.must(r, kqsys.Read, kqsys.Add|kqsys.Oneshot)
		q.one()
		if q.none(); q.Len() != 0 {
			t.Errorf("%d knotes after a one-shot, want 0", q.Len())
		}
	})
}

func TestErrnos(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, _ := fdtest.Pipe(t)
		null := fdtest.Open(t, "/dev/null")
		gone, _ := fdtest.Pipe(t)
		gone.Close()
		var device error
		if q.system.noFilter != 0 {
			device = q.system.noFilter
		}
		for _, c := range []struct {
			f      *fdtest.File
			filter kqsys.Filter
			flags  kqsys.Flags
			want   error
		}{
			{r, kqsys.Read, kqsys.Delete, unix.ENOENT},
			{r, kqsys.Read, kqsys.Enable, unix.ENOENT},
			{r, kqsys.Read, kqsys.Disable, unix.ENOENT},
			{gone, kqsys.Read, kqsys.Add, unix.EBADF},
			{gone, kqsys.Read, kqsys.Delete, unix.EBADF},
			{r, 17, kqsys.Add, unix.EINVAL},
			{null, kqsys.Read, kqsys.Add, device},
		} {
			if err := q.change(c.f, c.filter, c.flags, 1); err != c.want {
				t.Errorf("Kevent(%d, filter %d, %#x) = %v, want %v", c.f.Num(), c.filter, c.flags, err, c.want)
			}
		}
		if err := q.change(r, kqsys.Except, kqsys.Add, 1); (err == nil) != q.Caps().Except {
			t.Errorf("adding Except = %v, Caps.Except is %v", err, q.Caps().Except)
		}
		if device == nil {
			q.one() // always ready
		}
	})
}

func TestRegularFileIsReadableBeforeItsEnd(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
			t.Fatal(err)
		}
		f := fdtest.Open(t, path)
		q.must(f, kqsys.Read, kqsys.Add)
		if row := q.one(); row.Data != 3 {
			t.Errorf("row = %+v, want 3 bytes before the end", row)
		}
		f.Drain()
		q.none()
		if err := q.change(f, kqsys.Write, kqsys.Add, 1); err != unix.EINVAL {
			t.Errorf("Kevent(Write) = %v, want EINVAL", err)
		}
	})
}

func TestCloseRemovesKnotesOfTheNumber(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		q.must(r, kqsys.Read, kqsys.Add)
		dup := r.Dup()
		w.Write("x")
		q.one()
		next, nextEnd := fdtest.Pipe(t)
		r = r.Reopen(next)
		q.none() // although a dup lives
		nextEnd.Write("x")
		q.none() // the number's next file is none of ours
		if err := q.change(r, kqsys.Read, kqsys.Disable, 1); err != unix.ENOENT {
			t.Errorf("Kevent(EV_DISABLE) of a reused number = %v, want ENOENT", err)
		}
		q.must(r, kqsys.Read, kqsys.Add)
		r = r.Reopen(dup) // back to the first file
		if err := q.change(r, kqsys.Read, kqsys.Disable, 1); err != unix.ENOENT {
			t.Errorf("Kevent(EV_DISABLE) of a number back at its first file = %v, want ENOENT", err)
		}
		if n := q.Len(); n != 0 {
			t.Errorf("%d knotes, want 0", n)
		}
	})
}

func TestReceiptsAndErrorsUseTheList(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		w.Write("x")
		q.must(r, kqsys.Read, kqsys.Add)
		other, _ := fdtest.Pipe(t)
		good := kqsys.Event{Ident: uintptr(other.Num()), Filter: kqsys.Read, Flags: kqsys.Add | kqsys.Receipt, Udata: 5}
		bad := good
		bad.Flags = kqsys.Delete
		bad.Filter = kqsys.Write

		// An error ends the call before the pending event.
		events := make([]kqsys.Event, 4)
		n, err := q.Kevent([]kqsys.Event{bad}, events, nil)
		if n != 1 || err != nil || events[0].Flags&kqsys.Error == 0 || events[0].Data != int64(unix.ENOENT) {
			t.Fatalf("Kevent(bad) = %d, %v with %+v, want ENOENT in a row", n, err, events[0])
		}
		// With the list full the next error is the call's, and later changes are
		// not applied.
		n, err = q.Kevent([]kqsys.Event{bad, bad, good}, events[:1], nil)
		if err != unix.ENOENT || q.Len() != 1 {
			t.Fatalf("Kevent(bad, bad, good) = %d, %v and %d knotes, want ENOENT and 1", n, err, q.Len())
		}
		n, err = q.Kevent([]kqsys.Event{good, good}, events[:1], nil)
		switch {
		case !q.Caps().Receipt: // the flag means nothing: what is pending comes
			if n != 1 || err != nil || events[0].Flags&kqsys.Error != 0 || q.Len() != 2 {
				t.Errorf("Kevent(good) = %d, %v with %+v, want the pending event", n, err, events[0])
			}
		case n != 1 || err != nil || events[0].Flags&kqsys.Error == 0 || events[0].Data != 0 || events[0].Udata != 5:
			t.Errorf("Kevent(good) = %d, %v with %+v, want a receipt", n, err, events[0])
		}
		q.must(other, kqsys.Read, kqsys.Delete)
		delayed := good
		delayed.Ident = uintptr(r.Num())
		if n, err = q.Kevent([]kqsys.Event{delayed, good}, nil, nil); q.Caps().Receipt && q.Len() != 1 {
			t.Errorf("Kevent(receipts without room) = %d, %v and %d knotes, want the second change left out", n, err, q.Len())
		}
	})
}

func TestNoRoomNeverWaits(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		start := time.Now()
		if n, err := q.Kevent(nil, nil, nil); n != 0 || err != nil {
			t.Errorf("Kevent(nil) = %d, %v, want 0, nil", n, err)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("Kevent(nil) took %v", took)
		}
	})
}

func TestEndOfFile(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		w.Write("x")
		q.must(r, kqsys.Read, kqsys.Add)
		w.Close()
		if row := q.one(); row.Flags&kqsys.EOF == 0 || row.Data != 1 {
			t.Errorf("row = %+v, want EV_EOF with a byte pending", row)
		}
		a, b := fdtest.Socketpair(t)
		q.must(a, kqsys.Write, kqsys.Add)
		q.must(r, kqsys.Read, kqsys.Delete)
		q.must(a, kqsys.Read, kqsys.Add)
		unix.Shutdown(b.Num(), unix.SHUT_WR)
		for _, row := range q.rows() { // each direction for itself
			if (row.Flags&kqsys.EOF != 0) != (row.Filter == kqsys.Read) {
				t.Errorf("row = %+v after the peer shut down writing", row)
			}
		}
		b.Close()
		for _, row := range q.rows() {
			if row.Flags&kqsys.EOF == 0 {
				t.Errorf("row = %+v after the peer closed, want EV_EOF", row)
			}
		}
	})
}

func TestResetHasTheErrorInFflags(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		a, b := fdtest.TCP(t)
		q.must(a, kqsys.Read, kqsys.Add)
		unix.SetsockoptLinger(b.Num(), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		b.Close()
		events := make([]kqsys.Event, 1)
		n, err := q.Kevent(nil, events, nil)
		for err == unix.EINTR {
			n, err = q.Kevent(nil, events, nil)
		}
		if n != 1 || events[0].Flags&kqsys.EOF == 0 || events[0].Fflags == 0 {
			t.Errorf("Kevent() = %d, %v with %+v, want EV_EOF and an error in fflags", n, err, events[0])
		}
	})
}

func TestWriteOfAPipeWithoutReader(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		w.Fill()
		q.must(w, kqsys.Write, kqsys.Add)
		q.none()
		r.Close()
		if row := q.one(); row.Flags&kqsys.EOF == 0 {
			t.Errorf("row = %+v, want EV_EOF", row)
		}
		q.must(w, kqsys.Write, kqsys.Add) // it is there
		q.must(w, kqsys.Write, kqsys.Delete)
		var want error
		if q.system.brokenPipe != 0 {
			want = q.system.brokenPipe
		}
		if err := q.change(w, kqsys.Write, kqsys.Add, 1); err != want {
			t.Errorf("Kevent(EV_ADD) = %v, want %v", err, want)
		}
	})
}

func TestUserEvents(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		const ident = 1 << 31
		send := func(flags kqsys.Flags, fflags uint32) error {
			_, err := q.Kevent([]kqsys.Event{{Ident: ident, Filter: kqsys.User, Flags: flags, Fflags: fflags}}, nil, nil)
			return err
		}
		if !q.Caps().User {
			if err := send(kqsys.Add, 0); err != unix.EINVAL {
				t.Errorf("Kevent(EVFILT_USER) = %v, want EINVAL", err)
			}
			return
		}
		if err := send(0, kqsys.Trigger); err != unix.ENOENT {
			t.Errorf("trigger before the add = %v, want ENOENT", err)
		}
		send(kqsys.Add|kqsys.Clear, 0)
		q.none()
		send(0, kqsys.Trigger)
		send(0, kqsys.Trigger)
		q.one() // several triggers make one event
		q.none()
		send(kqsys.Clear, kqsys.Trigger) // taken back
		q.none()
		send(kqsys.Delete, 0)
		send(kqsys.Add, 0)
		send(0, kqsys.Trigger)
		q.one()
		q.one() // without EV_CLEAR it stays
	})
}

func TestReadyOnesTakeTurns(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		var want []uintptr
		for range 3 {
			r, w := fdtest.Pipe(t)
			w.Write("x")
			q.must(r, kqsys.Read, kqsys.Add)
			want = append(want, uintptr(r.Num()))
		}
		var got []uintptr
		events, zero := make([]kqsys.Event, 1), time.Duration(0)
		for range 6 {
			q.Kevent(nil, events, &zero)
			got = append(got, events[0].Ident)
		}
		if !slices.Equal(got, append(want, want...)) {
			t.Errorf("told %d, want %d twice", got, want)
		}
	})
}

func TestWaitHearsOfChangesAndFiles(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		r, w := fdtest.Pipe(t)
		late, lateEnd := fdtest.Pipe(t)
		lateEnd.Write("x")
		q.must(r, kqsys.Read, kqsys.Add)
		for _, cause := range []func(){
			func() { w.Write("x") },
			func() { r.Drain(); q.change(late, kqsys.Read, kqsys.Add, 1) },
		} {
			got := make(chan int, 1)
			go func() {
				events := make([]kqsys.Event, 1)
				n, err := q.Kevent(nil, events, nil)
				for err == unix.EINTR {
					n, err = q.Kevent(nil, events, nil)
				}
				got <- n
			}()
			for waiting := 0; waiting == 0; {
				q.mu.Lock()
				waiting = q.waiting
				q.mu.Unlock()
			}
			cause()
			select {
			case n := <-got:
				if n != 1 {
					t.Errorf("Kevent() = %d, want 1", n)
				}
			case <-time.After(patience):
				t.Fatal("Kevent did not return")
			}
			r.Drain()
		}
	})
}

func TestQueueIsReadableWhileEventsArePending(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		outer := open(t, q.system)
		r, w := fdtest.Pipe(t)
		q.must(r, kqsys.Read, kqsys.Add)
		nested := kqsys.Event{Ident: uintptr(q.FD()), Filter: kqsys.Read, Flags: kqsys.Add}
		if _, err := outer.Kevent([]kqsys.Event{nested}, nil, nil); err != nil {
			t.Fatalf("Kevent(nested) = %v, want nil", err)
		}
		outer.none()
		w.Write("x")
		outer.one()
		q.one()
		outer.one() // not drained
		r.Drain()
		q.none()
		outer.none()
		if _, err := q.Kevent([]kqsys.Event{nested}, nil, nil); err != unix.EINVAL {
			t.Errorf("Kevent(itself) = %v, want EINVAL", err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	each(t, func(t *testing.T, q queue) {
		events := make([]kqsys.Event, 1)
		for _, d := range []time.Duration{0, time.Millisecond, 12 * time.Millisecond} {
			start := time.Now()
			n, err := q.Kevent(nil, events, &d)
			if err == unix.EINTR {
				continue
			}
			least := d
			if tick := q.system.tick; tick > 0 {
				least = (d + tick - 1) / tick * tick
			}
			if took := time.Since(start); n != 0 || err != nil || took < least {
				t.Errorf("Kevent(%v) = %d, %v after %v, want 0, nil after %v", d, n, err, took, least)
			}
		}
	})
	q := open(t, Darwin)
	long := 200_000_000 * time.Second
	if _, err := q.Kevent(nil, make([]kqsys.Event, 1), &long); err != unix.EINVAL {
		t.Errorf("Kevent(%v) = %v, want EINVAL", long, err)
	}
}

func TestClosedQueue(t *testing.T) {
	q := open(t, FreeBSD)
	if err := q.Close(); err != nil {
		t.Fatalf("Close() = %v, want nil", err)
	}
	if _, err := q.Kevent(nil, nil, nil); err != unix.EBADF {
		t.Errorf("Kevent() = %v, want EBADF", err)
	}
	if err := q.Close(); !errors.Is(err, unix.EBADF) {
		t.Errorf("Close() = %v, want EBADF", err)
	}
}

// TestOnlyTestsImportTheModel keeps it out of what is shipped.
func TestOnlyTestsImportTheModel(t *testing.T) {
	list := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "bide/...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "bide/internal/kqmodel: ") }) {
		t.Fatalf("go list named no bide/internal/kqmodel in %d packages", len(lines))
	}
	for _, line := range lines {
		if name, imports, _ := strings.Cut(line, ": "); slices.Contains(strings.Fields(imports), "bide/internal/kqmodel") {
			t.Errorf("%s imports the model outside of tests", name)
		}
	}
}
