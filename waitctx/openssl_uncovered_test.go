package waitctx

import (
	"slices"
	"testing"
)

// The tests here are of what asynctest does not cover.

func TestOpenSSLTwoKeys(t *testing.T) {
	var c WaitCtx
	c.Set("a", Wait{FD: 20})
	c.Set("b", Wait{FD: 21})
	expect(t, &c, "set both", fds(20, 21), nil, fds(20, 21))
	c.Ack()
	c.Clear("a")
	c.Set("c", Wait{FD: 22})
	expect(t, &c, "clear a, set c", fds(22), fds(20), fds(21, 22))
	c.Ack()
	c.Clear("b")
	c.Clear("c")
	expect(t, &c, "clear the rest", nil, fds(21, 22), nil)
	c.Ack()
	expect(t, &c, "end", nil, nil, nil)
}

func TestOpenSSLOneFDUnderTwoKeys(t *testing.T) {
	var c WaitCtx
	c.Set("a", Wait{FD: 7})
	c.Set("b", Wait{FD: 7})
	expect(t, &c, "set both", fds(7, 7), nil, fds(7, 7))
	if c.ID("a") == c.ID("b") {
		t.Error("two registrations of one fd share an ID")
	}
	c.Ack()
	c.Clear("a")
	expect(t, &c, "clear one", nil, fds(7), fds(7))
}

// Departure: OpenSSL lists each of add and del newest first and says nothing of
// one against the other. Here deletes come before modifies and those before
// adds, whatever the order of the calls, and order within each is not promised.
func TestOpenSSLOrder(t *testing.T) {
	var c WaitCtx
	for _, fd := range []FD{10, 11, 12, 13} {
		c.Set(int(fd), Wait{FD: fd})
	}
	c.Changes(nil)
	c.Ack()
	c.Set(14, Wait{FD: 14})
	c.SetInterest(12, Writable)
	c.Clear(10)
	c.Set(15, Wait{FD: 15})
	c.SetInterest(13, Readable|Writable)
	c.Clear(11)
	var ops []Op
	byOp := make(map[Op][]FD)
	for _, ch := range c.Changes(nil) {
		ops = append(ops, ch.Op)
		byOp[ch.Op] = append(byOp[ch.Op], ch.FD)
	}
	if want := []Op{OpDelete, OpDelete, OpModify, OpModify, OpAdd, OpAdd}; !slices.Equal(ops, want) {
		t.Errorf("ops = %v, want %v", ops, want)
	}
	for op, want := range map[Op][]FD{OpDelete: {10, 11}, OpModify: {12, 13}, OpAdd: {14, 15}} {
		if slices.Sort(byOp[op]); !slices.Equal(byOp[op], want) {
			t.Errorf("op %d of %v, want %v", op, byOp[op], want)
		}
	}
}

// The same number deleted and added in one difference: the delete comes first
// and names the old registration, so it cannot hit the new one.
func TestOpenSSLSameFDDeletedAndAdded(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 20})
	c.Changes(nil)
	c.Ack()
	old := c.ID("k")
	c.Clear("k")
	c.Set("k", Wait{FD: 20})
	ch := c.Changes(nil)
	if len(ch) != 2 || ch[0].Op != OpDelete || ch[0].FD != 20 || ch[0].ID != old ||
		ch[1].Op != OpAdd || ch[1].FD != 20 || ch[1].ID != c.ID("k") || ch[1].ID == old {
		t.Errorf("Changes() = %+v, want delete of ID %d, then add of ID %d, both of fd 20", ch, old, c.ID("k"))
	}
}

func TestOpenSSLDoubleRead(t *testing.T) {
	var c WaitCtx
	c.Set("a", Wait{FD: 1})
	c.Set("b", Wait{FD: 2})
	c.Changes(nil)
	c.Ack()
	c.Clear("a")
	c.SetInterest("b", Writable)
	c.Set("c", Wait{FD: 3})
	first := c.Changes(nil)
	if second := c.Changes(nil); len(first) != 3 || !slices.Equal(first, second) {
		t.Errorf("second Changes() = %+v, first %+v, want 3 the same", second, first)
	}
	c.Ack()
	if third := c.Changes(nil); len(third) != 0 {
		t.Errorf("Changes() after Ack = %+v, want none", third)
	}
}

// Departure: OpenSSL reports the last segment of a finished job again at the
// first pause of the next. Here what was acknowledged is not, and what was not
// acknowledged is, once.
func TestOpenSSLLeftoverIntoTheNextJob(t *testing.T) {
	for _, read := range []bool{true, false} {
		var c WaitCtx
		c.Acquire()
		c.Set("old", Wait{FD: 20})
		c.Changes(nil)
		c.Ack()
		c.Set("new", Wait{FD: 50})
		c.Clear("old")
		if read {
			expect(t, &c, "job 1 finished", fds(50), fds(20), fds(50))
			c.Ack()
		}
		c.Relinquish()
		if err := c.Acquire(); err != nil {
			t.Fatalf("Acquire() by job 2 = %v, want nil", err)
		}
		c.Set("more", Wait{FD: 60})
		if read {
			expect(t, &c, "job 2, after a read", fds(60), nil, fds(50, 60))
		} else {
			expect(t, &c, "job 2, after none", fds(50, 60), fds(20), fds(50, 60))
		}
		c.Ack()
		expect(t, &c, "job 2 resumed", nil, nil, fds(50, 60))
	}
}

// Departure: a resume in OpenSSL throws away what was not read. Here only Ack
// ends a period, and only for what it was told.
func TestOpenSSLResumeWithUnreadDifference(t *testing.T) {
	var c WaitCtx
	c.Set("a", Wait{FD: 1})
	c.Ack() // nothing was read, so nothing is acknowledged
	c.Set("b", Wait{FD: 2})
	expect(t, &c, "unread", fds(1, 2), nil, fds(1, 2))
	c.Clear("a") // after the read: not part of what the Ack covers
	c.Ack()
	expect(t, &c, "cleared after the read", nil, fds(1), fds(2))
	c.Ack()
	expect(t, &c, "end", nil, nil, fds(2))
}

// Departure: OpenSSL lets two paused jobs share a context, and resuming one
// loses the adds of the other. Here the second is refused.
func TestOpenSSLSharedByTwoJobs(t *testing.T) {
	var c WaitCtx
	if err := c.Acquire(); err != nil {
		t.Fatalf("Acquire() = %v, want nil", err)
	}
	if err := c.Acquire(); err != ErrBusy {
		t.Errorf("Acquire() by a second job = %v, want ErrBusy", err)
	}
	if err := c.Bind(1<<placeBits, nil); err != nil {
		t.Errorf("Bind() = %v, want nil", err)
	}
	c.Set("k", Wait{FD: 1})
	if err := c.Bind(2<<placeBits, nil); err != ErrBusy {
		t.Errorf("Bind() by a second consumer = %v, want ErrBusy", err)
	}
	if ch := c.Changes(nil); len(ch) != 1 || ch[0].Op != OpAdd || ch[0].Token != 1<<placeBits {
		t.Errorf("Changes() = %+v, want one add with the first consumer's token", ch)
	}
	c.Relinquish()
	if err := c.Acquire(); err != nil {
		t.Errorf("Acquire() after Relinquish = %v, want nil", err)
	}
}

// Departure: OpenSSL's free runs the cleanups of live waits, newest first, and
// reports no delete. Here a wait the kernel may hold is deleted first, and its
// cleanup runs at the Ack; order is not promised. In both a cleared wait gets no
// cleanup. The cleanup may use the context, which OpenSSL frees under it.
func TestOpenSSLCleanupsOnFree(t *testing.T) {
	var c WaitCtx
	var ran []FD
	cleanup := func(key any, w Wait) {
		ran = append(ran, w.FD)
		if w.Data != "data" || key != int(w.FD) {
			t.Errorf("cleanup got key %v, data %v for fd %d", key, w.Data, w.FD)
		}
		if _, ok := c.Get(key); ok || c.Len() != 0 {
			t.Errorf("in the cleanup of fd %d: its key is set: %v, Len() = %d, want false, 0", w.FD, ok, c.Len())
		}
		for k := range c.All() {
			t.Errorf("in the cleanup of fd %d: All yields %v", w.FD, k)
		}
		c.Clear(key)
		if err := c.Set(key, w); err != ErrClosed {
			t.Errorf("in the cleanup of fd %d: Set() = %v, want ErrClosed", w.FD, err)
		}
	}
	set := func(fd FD) { c.Set(int(fd), Wait{FD: fd, Data: "data", Cleanup: cleanup}) }
	set(21)
	set(22)
	set(60)
	c.Set("none", Wait{FD: 23})
	c.Changes(nil)
	c.Ack()
	c.Clear(60)
	set(50) // nobody is told of it before the Close
	if len(ran) != 0 {
		t.Fatalf("cleanups of %v before Close", ran)
	}
	c.Close()
	if !slices.Equal(ran, fds(50)) {
		t.Errorf("cleanups at Close of %v, want [50]: nobody was told of it", ran)
	}
	expect(t, &c, "Close", nil, fds(21, 22, 23, 60), nil)
	if len(ran) != 1 {
		t.Errorf("cleanups before the Ack of %v, want [50]", ran)
	}
	c.Ack()
	if slices.Sort(ran); !slices.Equal(ran, fds(21, 22, 50)) {
		t.Errorf("cleanups of %v, want [21 22 50]", ran)
	}
	c.Close()
	c.Ack()
	if expect(t, &c, "end", nil, nil, nil); len(ran) != 3 {
		t.Errorf("cleanups after a second Close of %v", ran)
	}
}

func TestOpenSSLGetFD(t *testing.T) {
	var c WaitCtx
	see := func(step string, key any, fd FD, data any, found bool) {
		t.Helper()
		if w, ok := c.Get(key); ok != found || w.FD != fd || w.Data != data {
			t.Errorf("%s: Get(%v) = fd %d, data %v, %v, want %d, %v, %v", step, key, w.FD, w.Data, ok, fd, data, found)
		}
	}
	see("empty", "k", 0, nil, false)
	c.Set("k", Wait{FD: 10, Data: "ten"})
	c.Set(nil, Wait{FD: 0, Data: "zero"}) // a nil key and descriptor 0 are like others
	see("new", "k", 10, "ten", true)
	see("new", nil, 0, "zero", true)
	see("new", "other", 0, nil, false)
	c.Changes(nil)
	c.Ack()
	see("stable", "k", 10, "ten", true)
	c.Clear("k")
	see("deleted", "k", 0, nil, false)
	c.Set("k", Wait{FD: 11})
	see("set again", "k", 11, nil, true)
	// Departure: OpenSSL lets a second set shadow the first and get_fd returns
	// the newer. Here the first stays.
	if err := c.Set("k", Wait{FD: 12}); err != ErrKeyExists {
		t.Errorf("Set() of a key that is set = %v, want ErrKeyExists", err)
	}
	see("duplicate", "k", 11, nil, true)
}

func TestOpenSSLClearOfUnknownKey(t *testing.T) {
	var c WaitCtx
	clear := func(step string, want bool, fd FD) {
		t.Helper()
		if w, ok := c.Clear("k"); ok != want || w.FD != fd {
			t.Errorf("%s: Clear() = fd %d, %v, want %d, %v", step, w.FD, ok, fd, want)
		}
	}
	clear("never set", false, 0)
	expect(t, &c, "never set", nil, nil, nil)
	c.Set("k", Wait{FD: 4})
	clear("new", true, 4)
	clear("cleared when new", false, 0)
	expect(t, &c, "cleared when new", nil, nil, nil)
	c.Set("k", Wait{FD: 5})
	c.Changes(nil)
	c.Ack()
	clear("stable", true, 5)
	clear("delete pending", false, 0)
	expect(t, &c, "delete pending", nil, fds(5), nil)
	c.Ack()
	clear("deleted", false, 0)
	expect(t, &c, "deleted", nil, nil, nil)
}

// Departure: OpenSSL counts and reports fd -1.
func TestOpenSSLBadFD(t *testing.T) {
	var c WaitCtx
	if err := c.Set("k", Wait{FD: BadFD}); err != ErrBadFD {
		t.Errorf("Set() of fd -1 = %v, want ErrBadFD", err)
	}
	expect(t, &c, "fd -1", nil, nil, nil)
}
