package kqueue_test

import (
	"errors"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/internal/kqmodel"
	"bide/internal/kqsys"
	"bide/poller/kqueue"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

func TestChangesGoInOneCallWithReceipts(t *testing.T) {
	each(t, func(r *rig) {
		r.changes()
		var batch []waitctx.Change
		for range 50 {
			f, _ := fdtest.Pipe(r)
			batch = append(batch, r.add(f, waitctx.Readable))
		}
		r.must(batch...)
		all, calls := r.changes()
		if len(all) != len(batch) {
			r.Fatalf("%d changes for %d adds", len(all), len(batch))
		}
		want := 1
		if !r.Queue.Caps().Receipt {
			want = len(batch)
		}
		if len(calls) != want {
			r.Errorf("%d calls for %d adds, want %d", len(calls), len(batch), want)
		}
		for _, c := range calls {
			if c.timeout != 0 || r.Queue.Caps().Receipt && c.room < len(c.changes) {
				r.Errorf("%d changes with timeout %v and room for %d rows", len(c.changes), c.timeout, c.room)
			}
		}
		for _, c := range all {
			if r.Queue.Caps().Receipt && c.Flags&kqsys.Receipt == 0 {
				r.Errorf("change %+v without EV_RECEIPT", c)
			}
		}
	})
}

// What is pending must not come in the receipts' place, nor get lost by it.
func TestPendingEventsOutliveChanges(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		w.Write("x")
		c := r.added(f, waitctx.Readable)
		for range 3 {
			other, _ := fdtest.Pipe(r)
			r.must(r.remove(r.added(other, waitctx.Readable)))
			r.expect(c, waitctx.ReadyIn)
		}
	})
}

func TestEachChangeOfALargeBatchHasItsAnswer(t *testing.T) {
	each(t, func(r *rig) {
		idle, _ := fdtest.Pipe(r)
		gone := idle.Dup()
		var batch []waitctx.Change
		for i := range 600 {
			f := gone
			if i%100 != 50 {
				f = idle.Dup()
			}
			batch = append(batch, r.add(f, waitctx.Readable))
		}
		gone.Close()
		if err := r.Apply(batch); !errors.Is(err, unix.EBADF) {
			r.Errorf("Apply() = %v, want EBADF", err)
		}
		for i, c := range batch {
			if bad := i%100 == 50; errors.Is(c.Err, unix.EBADF) != bad || !bad && c.Err != nil {
				r.Errorf("Err of change %d = %v", i, c.Err)
			}
		}
		r.knotes(594)
	})
}

// What the kernel refused is not held for the changes that follow.
func TestRefusedAddIsNotHeld(t *testing.T) {
	for _, system := range []kqmodel.System{kqmodel.FreeBSD, kqmodel.Darwin} {
		r := newRig(t, system)
		null := fdtest.Open(r, fdtest.NullDevice)
		bad := r.add(null, waitctx.Readable)
		modify := bad
		modify.Op = waitctx.OpModify
		batch := []waitctx.Change{bad, bad, modify}
		r.Apply(batch)
		for i, want := range []error{waitctx.ErrNotPollable, waitctx.ErrNotPollable, waitctx.ErrNotFound} {
			if !errors.Is(batch[i].Err, want) {
				r.Errorf("%s: Err of change %d = %v, want %v", system.Caps.System, i, batch[i].Err, want)
			}
		}
	}
}

// The kernel may refuse what the poller had no reason to.
func TestRefusedAddLeavesNothing(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		a, _ := fdtest.Socketpair(r)
		w.Write("x")
		r.meddle(func(c call, n int, events []kqsys.Event) (int, error) {
			for i, change := range c.changes {
				if change.Ident != uintptr(a.Num()) || change.Filter != kqsys.Write || change.Flags&kqsys.Add == 0 {
					continue
				}
				undo := change
				undo.Flags = kqsys.Delete
				r.Queue.Kevent([]kqsys.Event{undo}, nil, nil)
				if n == 0 {
					return 0, unix.ENOMEM
				}
				events[i].Data = int64(unix.ENOMEM)
			}
			return n, nil
		})
		good, bad := r.add(f, waitctx.Readable), r.add(a, waitctx.Readable|waitctx.Writable)
		batch := []waitctx.Change{bad, good}
		if err := r.Apply(batch); !errors.Is(err, unix.ENOMEM) || !errors.Is(batch[0].Err, unix.ENOMEM) || batch[1].Err != nil {
			r.Fatalf("Apply() = %v with Err %v and %v, want ENOMEM for the first alone", err, batch[0].Err, batch[1].Err)
		}
		r.meddle(nil)
		r.knotes(1)
		if err := r.Apply([]waitctx.Change{r.remove(bad)}); !errors.Is(err, waitctx.ErrNotFound) {
			r.Errorf("Apply() of its delete = %v, want ErrNotFound", err)
		}
		r.expect(good, waitctx.ReadyIn)
	})
}

// A delete lets go whatever the kernel answers. What it kept is deleted once more
// when a row of it comes.
func TestDeleteThatTheKernelRefuses(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		c := r.added(f, waitctx.Readable)
		r.meddle(func(c call, n int, events []kqsys.Event) (int, error) {
			if len(c.changes) == 0 {
				return n, nil
			}
			undo := c.changes[0]
			undo.Flags = kqsys.Add
			r.Queue.Kevent([]kqsys.Event{undo}, nil, nil)
			if n == 0 {
				return 0, unix.ENOMEM
			}
			events[0].Data = int64(unix.ENOMEM)
			return n, nil
		})
		r.must(r.remove(c))
		r.meddle(nil)
		if err := r.Apply([]waitctx.Change{r.remove(c)}); !errors.Is(err, waitctx.ErrNotFound) {
			r.Errorf("Apply() of the delete once more = %v, want ErrNotFound", err)
		}
		r.knotes(1)
		w.Write("x")
		r.silent()
		r.knotes(0)
	})
}

// kevent(2): after EINTR all changes have been applied. There are no receipts,
// so that each is asked for again.
func TestInterruptedChangesAreApplied(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		g, _ := fdtest.Pipe(r)
		w.Write("x")
		gone := r.added(g, waitctx.Readable)
		interrupt := func() {
			r.meddle(func(c call, n int, events []kqsys.Event) (int, error) {
				if len(c.changes) > 0 {
					r.meddle(nil)
					return 0, unix.EINTR
				}
				return n, nil
			})
		}
		interrupt()
		r.must(r.remove(gone))
		r.knotes(0)
		interrupt()
		c := r.added(f, waitctx.Readable)
		r.expect(c, waitctx.ReadyIn)
		r.Suppress(c.FD, c.ID)
		interrupt()
		r.silent()
		interrupt()
		r.Rearm(c.FD, c.ID)
		r.expect(c, waitctx.ReadyIn)
		interrupt()
		if err := r.Wake(); err != nil {
			r.Errorf("Wake() = %v, want nil", err)
		}
	})
}

func TestDeletesComeFirst(t *testing.T) {
	each(t, func(r *rig) {
		f, _ := fdtest.Pipe(r)
		old := r.added(f, waitctx.Readable)
		r.changes()
		r.must(r.add(f, waitctx.Readable), r.remove(old))
		all, _ := r.changes()
		if len(all) != 2 || all[0].Flags&kqsys.Delete == 0 || all[1].Flags&kqsys.Add == 0 {
			t.Fatalf("changes %+v, want a delete and an add", all)
		}
		if all[0].Udata == all[1].Udata {
			t.Errorf("udata %d for both registrations of the number", all[0].Udata)
		}
	})
}

func TestNothingIsLeftInTheKernel(t *testing.T) {
	each(t, func(r *rig) {
		a, b := fdtest.Socketpair(r)
		pr, pw := fdtest.Pipe(r)
		b.Write("x")
		for _, i := range []waitctx.Interest{
			waitctx.Readable, waitctx.Writable, waitctx.Readable | waitctx.Writable, waitctx.Silent,
		} {
			for _, f := range []*fdtest.File{a, pr, pw} {
				c, also := r.added(f, i), r.added(f, waitctx.Writable)
				r.told(4, 0)
				r.Suppress(c.FD, c.ID)
				r.told(4, 0)
				r.must(r.remove(c))
				r.must(r.remove(also))
				r.knotes(0)
			}
		}
		f, _ := fdtest.Pipe(r)
		c := r.added(f, waitctx.Readable)
		c.Op, c.Interest = waitctx.OpModify, waitctx.Writable
		r.must(c)
		r.knotes(1) // not Read as well
		r.must(r.remove(c))
		r.knotes(0)
	})
}

// A row that was read before its registration was replaced must not be told to
// the number's next one.
func TestRowOfAnEarlierRegistrationIsStale(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		g, _ := fdtest.Pipe(r)
		old := r.added(f, waitctx.Readable)
		var next waitctx.Change
		replaced := false
		r.meddle(func(c call, n int, events []kqsys.Event) (int, error) {
			if n > 0 && len(c.changes) == 0 && c.timeout != 0 && !replaced {
				replaced = true
				f = f.Reopen(g)
				next = r.add(f, waitctx.Readable)
				if err := r.Apply([]waitctx.Change{r.remove(old), next}); err != nil {
					r.Errorf("Apply() = %v, want nil", err)
				}
				r.Wake()
			}
			return n, nil
		})
		got := make(chan []waitctx.Event, 1)
		go func() {
			dst := make([]waitctx.Event, 4)
			n, _ := r.Wait(dst, patience)
			got <- dst[:n]
		}()
		r.asleep()
		w.Write("x")
		if events := <-got; len(events) != 0 {
			r.Fatalf("Wait() = %+v, want nothing but the wake", events)
		}
		r.knotes(1)
	})
}

// A short list of rows must not split what one registration is told, nor have
// it told once for each row.
func TestShortListCutsNoEvent(t *testing.T) {
	each(t, func(r *rig) {
		for range 3 {
			a, b := fdtest.Socketpair(r)
			b.Write("x")
			r.added(a, waitctx.Readable|waitctx.Writable)
		}
		for range 3 {
			told := make(map[waitctx.Token]bool)
			for range 3 {
				for _, e := range r.told(1, patience) {
					if e.Ready != waitctx.ReadyIn|waitctx.ReadyOut {
						r.Errorf("ready = %#x, want In and Out", e.Ready)
					}
					told[e.Token] = true
				}
			}
			if len(told) != 3 {
				r.Errorf("%d of 3 were told within 3 waits", len(told))
			}
		}
		for _, e := range r.told(16, patience) { // with rows of both directions
			if e.Ready != waitctx.ReadyIn|waitctx.ReadyOut {
				r.Errorf("ready = %#x, want In and Out", e.Ready)
			}
		}
	})
}

func TestHangUpIsBothDirections(t *testing.T) {
	each(t, func(r *rig) {
		for _, i := range []waitctx.Interest{waitctx.Readable, waitctx.Writable, waitctx.Silent} {
			a, b := fdtest.Socketpair(r)
			a.Fill()
			c := r.added(a, i)
			r.silent()
			unix.Shutdown(b.Num(), unix.SHUT_WR)
			half, whole := waitctx.Ready(0), waitctx.ReadyHup
			if i == waitctx.Readable {
				half = waitctx.ReadyIn | waitctx.ReadyRdHup
				whole |= half
			}
			if i == waitctx.Writable {
				whole |= waitctx.ReadyOut
			}
			for range 2 {
				if half == 0 {
					r.silent()
				} else {
					r.expect(c, half)
				}
			}
			b.Drain() // or the close resets
			b.Close()
			for range 5 {
				r.expect(c, whole)
			}
			r.must(r.remove(c))
		}
	})
}

func TestReuseIsSeenWhereverAKnoteIsTouched(t *testing.T) {
	touch := map[string]func(r *rig, c waitctx.Change){
		"rearm": func(r *rig, c waitctx.Change) { r.Rearm(c.FD, c.ID) },
		"modify": func(r *rig, c waitctx.Change) {
			r.Rearm(c.FD, c.ID)
			c.Op, c.Interest = waitctx.OpModify, waitctx.Readable|waitctx.Writable
			if err := r.Apply([]waitctx.Change{c}); err != nil && !errors.Is(err, unix.ENOENT) {
				r.Errorf("Apply(modify) = %v, want ENOENT", err)
			}
		},
		"add": func(r *rig, c waitctx.Change) {
			r.Rearm(c.FD, c.ID)
			f, _ := fdtest.Pipe(r)
			r.added(f, waitctx.Readable) // flushes the rearm
		},
	}
	for name, touch := range touch {
		t.Run(name, func(t *testing.T) {
			each(t, func(r *rig) {
				f, w := fdtest.Pipe(r)
				w.Write("x")
				c := r.added(f, waitctx.Readable)
				r.expect(c, waitctx.ReadyIn)
				r.Suppress(c.FD, c.ID)
				r.silent() // and disables the knote
				g, _ := fdtest.Socketpair(r)
				f.Reopen(g)
				touch(r, c)
				r.expect(c, waitctx.ReadyClosed)
				r.silent()
				r.must(r.remove(c))
				if name == "add" {
					r.knotes(1)
				} else {
					r.knotes(0) // none of the number's next file
				}
			})
		})
	}
}

// A number that was closed is seen too, when its knote is enabled again.
func TestClosedNumberIsSeenWhenItsKnoteIsTouched(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		w.Write("x")
		c := r.added(f, waitctx.Readable)
		r.expect(c, waitctx.ReadyIn)
		r.Suppress(c.FD, c.ID)
		r.silent()
		f.Close()
		r.Rearm(c.FD, c.ID)
		r.expect(c, waitctx.ReadyClosed)
		r.must(r.remove(c))
	})
}

// The reader goes while the knote is to change from EV_CLEAR to level, which
// takes an EV_DELETE and an EV_ADD. The latter is refused.
func TestRearmOfAPipeThatBroke(t *testing.T) {
	each(t, func(r *rig) {
		pr, pw := fdtest.Pipe(r)
		c := r.added(pw, waitctx.Silent)
		r.Suppress(c.FD, c.ID)
		c.Op, c.Interest = waitctx.OpModify, waitctx.Writable
		r.must(c)
		pr.Close()
		r.Rearm(c.FD, c.ID)
		for range 2 {
			r.expect(c, waitctx.ReadyOut|waitctx.ReadyErr)
		}
	})
}

func TestErrorRowEndsItsRegistration(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		w.Write("x")
		c := r.added(f, waitctx.Readable)
		r.meddle(func(c call, n int, events []kqsys.Event) (int, error) {
			if len(c.changes) == 0 && n == 1 {
				events[0].Flags |= kqsys.Error
				events[0].Data = int64(unix.ENOENT)
			}
			return n, nil
		})
		got := r.told(4, patience)
		r.meddle(nil)
		if len(got) != 1 || got[0].Ready != waitctx.ReadyClosed || got[0].Token != c.Token {
			r.Fatalf("Wait() = %+v, want Closed", got)
		}
		r.silent()
		r.knotes(0) // nobody's, so it was deleted
		r.must(r.remove(c))
	})
}

func TestWakeIsRegisteredOnce(t *testing.T) {
	each(t, func(r *rig) {
		first, _ := r.changes()
		if len(first) != 1 || first[0].Flags&kqsys.Add == 0 {
			r.Fatalf("changes of New = %+v, want one add", first)
		}
		for range 3 {
			if err := r.Wake(); err != nil {
				r.Fatalf("Wake() = %v, want nil", err)
			}
			r.told(4, patience)
		}
		all, calls := r.changes()
		if !r.Queue.Caps().User {
			if len(all) != 0 {
				r.Errorf("changes of three wakes = %+v, want none, as a pipe wakes", all)
			}
			return
		}
		if len(all) != 3 {
			r.Errorf("%d changes for three wakes, want 3", len(all))
		}
		for i, c := range all {
			if c.Filter != kqsys.User || c.Flags != 0 || c.Fflags != kqsys.Trigger || calls[i].room != 0 {
				r.Errorf("change of a wake = %+v with room for %d, want a trigger without flags and room", c, calls[i].room)
			}
		}
		if id := first[0].Ident; id <= 1<<31-1 || first[0].Flags&kqsys.Clear == 0 {
			r.Errorf("wake registered as %+v, want an ident no descriptor has, and EV_CLEAR", first[0])
		}
	})
}

func TestTimeoutsAreClipped(t *testing.T) {
	each(t, func(r *rig) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Wait(make([]waitctx.Event, 1), 1<<63-1)
		}()
		r.asleep()
		r.Wake()
		<-done
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, c := range r.calls {
			if c.timeout > 24*time.Hour {
				r.Errorf("kevent with timeout %v, want a day at most", c.timeout)
			}
		}
	})
}

// Suppressing costs one change when the kernel reports it again, and undoing
// it one call.
func TestDisarmIsLazy(t *testing.T) {
	each(t, func(r *rig) {
		f, w := fdtest.Pipe(r)
		w.Write("x")
		c := r.added(f, waitctx.Readable)
		r.expect(c, waitctx.ReadyIn)
		r.changes()
		r.Suppress(c.FD, c.ID)
		r.Rearm(c.FD, c.ID)
		r.Suppress(c.FD, c.ID)
		if all, _ := r.changes(); len(all) != 0 {
			r.Errorf("changes of Suppress and Rearm = %+v, want none", all)
		}
		r.silent()
		r.silent()
		if all, _ := r.changes(); len(all) != 1 || all[0].Flags&^kqsys.Receipt != kqsys.Disable {
			r.Errorf("changes = %+v, want one EV_DISABLE", all)
		}
		r.Rearm(c.FD, c.ID)
		r.expect(c, waitctx.ReadyIn)
		if all, _ := r.changes(); len(all) == 0 || all[len(all)-1].Flags&^kqsys.Receipt != kqsys.Add|kqsys.Enable {
			r.Errorf("changes = %+v, want EV_ADD with EV_ENABLE last", all)
		}
	})
}

func TestNewWithoutKqueue(t *testing.T) {
	if _, err := kqueue.New(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("New() = %v on Linux, want ErrUnsupported", err)
	}
}

// macOS may end a kevent(2) with ETIMEDOUT: go.dev/issue/59679.
func TestTimeoutAsAnError(t *testing.T) {
	each(t, func(r *rig) {
		const d = 20 * time.Millisecond
		r.meddle(func(c call, n int, _ []kqsys.Event) (int, error) {
			if len(c.changes) == 0 && n == 0 {
				return 0, unix.ETIMEDOUT
			}
			return n, nil
		})
		start := time.Now()
		if got := r.told(4, d); len(got) != 0 || time.Since(start) < d {
			r.Errorf("Wait(%v) = %+v after %v, want nothing and not early", d, got, time.Since(start))
		}
		a, w := fdtest.Pipe(r.T)
		c := r.added(a, waitctx.Readable)
		w.Write("x")
		r.expect(c, waitctx.ReadyIn)
	})
}
