package waitctx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// expect looks at the context the way a consumer of OpenSSL does when a job has
// paused: first the counts, then the values, then both again. A wait fd carries
// the same ID whenever it is seen. Order within add and del is not promised.
func expect(t *testing.T, c *WaitCtx, step string, add, del, all []FD) {
	t.Helper()
	for _, look := range []string{"first", "second"} {
		var gotAdd, gotDel, gotAll []FD
		for _, ch := range c.Changes(nil) {
			switch {
			case ch.Op == OpAdd:
				gotAdd = append(gotAdd, ch.FD)
			case ch.Op == OpDelete && gotAdd == nil:
				gotDel = append(gotDel, ch.FD)
			default:
				t.Errorf("%s: op %d of fd %d after adds of %v", step, ch.Op, ch.FD, gotAdd)
			}
		}
		for _, w := range c.All() {
			gotAll = append(gotAll, w.FD)
		}
		for _, v := range []struct {
			name      string
			got, want []FD
		}{{"add", gotAdd, add}, {"del", gotDel, del}, {"all", gotAll, all}} {
			slices.Sort(v.got)
			if !slices.Equal(v.got, v.want) {
				t.Errorf("%s, %s look: %s = %d %v, want %d %v", step, look, v.name, len(v.got), v.got, len(v.want), v.want)
			}
		}
		if c.Len() != len(all) {
			t.Errorf("%s, %s look: Len() = %d, want %d", step, look, c.Len(), len(all))
		}
	}
}

// fds makes the want lists of expect short.
func fds(list ...FD) []FD { return list }

// asynctest's test_ASYNC_WAIT_CTX_get_all_fds. Each step is what its job does up to
// a pause; the Ack after it is the resume.
func TestOpenSSLGetAllFDs(t *testing.T) {
	const magic = 99
	set := func(c *WaitCtx) error { return c.Set(c, Wait{FD: magic}) } // its key is the context
	unset := func(c *WaitCtx) error {
		if w, ok := c.Clear(c); !ok || w.FD != magic {
			return fmt.Errorf("Clear() = fd %d, %v", w.FD, ok)
		}
		return nil
	}
	nothing := func(*WaitCtx) error { return nil }
	both := func(c *WaitCtx) error { return errors.Join(set(c), unset(c)) }
	type run struct {
		do            func(*WaitCtx) error
		add, del, all []FD
	}
	for name, runs := range map[string][]run{
		"current": {
			{nothing, nil, nil, nil},
			{set, fds(magic), nil, fds(magic)},
			{unset, nil, fds(magic), nil},
			{both, nil, nil, nil}, // read after FINISH
		},
		"1.1.0": {
			{nothing, nil, nil, nil},
			{set, fds(magic), nil, fds(magic)},
			{unset, nil, fds(magic), nil}, // read after FINISH
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c WaitCtx
			for i, r := range runs {
				if err := r.do(&c); err != nil {
					t.Fatal(err)
				}
				expect(t, &c, fmt.Sprintf("run %d", i+1), r.add, r.del, r.all)
				c.Ack()
			}
			expect(t, &c, "end", nil, nil, nil)
		})
	}
}

// asynctest's test_ASYNC_callback_status, and what it leaves out: removal, the
// default, other values, and that neither is touched by anything else.
func TestOpenSSLCallbackStatus(t *testing.T) {
	var c WaitCtx
	if fn, arg, ok := c.Callback(); fn != nil || arg != nil || ok || c.Status() != StatusUnsupported {
		t.Errorf("new context: callback %v, status %d, want none, 0", ok, c.Status())
	}
	calls := 0
	c.SetCallback(func(arg any) error { *arg.(*int)++; return nil }, &calls)
	c.SetStatus(StatusErr)
	see := func(step string, status Status) {
		t.Helper()
		if _, arg, ok := c.Callback(); !ok || arg != any(&calls) {
			t.Errorf("%s: Callback() = arg %v, %v, want %p, true", step, arg, ok, &calls)
		}
		if c.Status() != status {
			t.Errorf("%s: Status() = %d, want %d", step, c.Status(), status)
		}
		if calls != 0 {
			t.Fatalf("%s: the callback was called %d times, want 0", step, calls)
		}
	}
	see("set", StatusErr)
	for _, s := range []Status{StatusUnsupported, StatusErr, StatusOK, StatusEAgain, 77} {
		c.SetStatus(s)
		see("round trip", s)
	}
	c.Set("k", Wait{FD: 1})
	c.Changes(nil)
	c.Ack()
	see("pause and resume", 77)
	c.Acquire()
	c.Relinquish()
	c.Bind(1<<placeBits, nil)
	c.Unbind()
	see("next job", 77)
	c.Close()
	c.Changes(nil)
	c.Ack()
	see("Close", 77)
	fn, arg, _ := c.Callback()
	if err := fn(arg); err != nil || calls != 1 {
		t.Errorf("calling it = %v, calls %d, want nil, 1", err, calls)
	}
	c.SetCallback(nil, &calls)
	if fn, arg, ok := c.Callback(); fn != nil || arg != nil || ok {
		t.Error("a nil callback does not remove the old one")
	}
}

// rows is the table of combinations within one period: what is done to one key,
// beginning with nothing or with a stable wait of fd 1 (which takes a period of
// its own), and what is reported then. A ! marks a call that is refused.
var rows = []struct {
	ops           string
	add, del, all []FD
}{
	{"set1", fds(1), nil, fds(1)},
	{"set1 clear", nil, nil, nil},
	{"stable clear", nil, fds(1), nil},
	{"stable clear set2", fds(2), fds(1), fds(2)},
	{"stable clear set1", fds(1), fds(1), fds(1)}, // the same number: a new registration
	{"stable clear set2 clear", nil, fds(1), nil},
	// Departure: OpenSSL takes the second set, add [2], all [2 1], and lets it
	// shadow the first. Here it is refused and nothing changes.
	{"stable set2!", nil, nil, fds(1)},
	// Departure in the calls, not in the result: OpenSSL's first clear undoes
	// the shadow and the second deletes fd 1. Here the first deletes it.
	{"stable set2! clear clear!", nil, fds(1), nil},
	// A duplicate key, both sets in one period. OpenSSL: add [11 10].
	{"set1 set2!", fds(1), nil, fds(1)},
	{"set1 set2! clear clear! clear!", nil, nil, nil},
	// Not in OpenSSL.
	{"stable replace2", fds(2), fds(1), fds(2)},
	{"stable replace1", fds(1), fds(1), fds(1)},
	{"stable replace2 replace3", fds(3), fds(1), fds(3)},
	{"stable replace2 clear", nil, fds(1), nil},
	{"set1 replace2", fds(2), nil, fds(2)},
	{"replace2!", nil, nil, nil},
	{"stable release", nil, fds(1), nil},
	{"set1 release", nil, nil, nil},
	// Departure: in OpenSSL these are as if nobody had looked. Here what was
	// handed out may be in the kernel, so only a reported delete undoes it.
	{"set1 look clear", nil, fds(1), nil},
	{"set1 look clear set1", fds(1), fds(1), fds(1)},
	{"set1 look replace2", fds(2), fds(1), fds(2)},
	{"stable clear look set2 clear", nil, fds(1), nil},
}

// try does one operation of a row and reports whether it was done.
func try(c *WaitCtx, op string) bool {
	fd := FD(1)
	if i := strings.IndexAny(op, "123"); i > 0 {
		op, fd = op[:i], FD(op[i]-'0')
	}
	ok := true
	switch op {
	case "stable":
		ok = c.Set("k", Wait{FD: 1}) == nil
		c.Changes(nil)
		c.Ack()
	case "look":
		c.Changes(nil)
	case "set":
		err := c.Set("k", Wait{FD: fd})
		ok = err != ErrKeyExists
		if ok && err != nil {
			panic(err)
		}
	case "replace":
		_, err := c.Replace("k", Wait{FD: fd})
		ok = err == nil
	case "clear":
		_, ok = c.Clear("k")
	case "release":
		ok = c.Release("k")
	default:
		panic("unknown operation " + op)
	}
	return ok
}

func TestCombinationsWithinOnePeriod(t *testing.T) {
	for _, row := range rows {
		t.Run(row.ops, func(t *testing.T) {
			var c WaitCtx
			for op := range strings.SplitSeq(row.ops, " ") {
				op, refused := strings.CutSuffix(op, "!")
				if ok := try(&c, op); ok == refused {
					t.Fatalf("%s succeeded: %v, want %v", op, ok, !refused)
				}
			}
			expect(t, &c, "period", row.add, row.del, row.all)
			ids := make(map[ID]bool)
			for _, ch := range c.Changes(nil) {
				ids[ch.ID] = true
			}
			if want := len(row.add) + len(row.del); len(ids) != want {
				t.Errorf("%d IDs in %d changes", len(ids), want)
			}
			c.Ack()
			expect(t, &c, "next period", nil, nil, row.all)
		})
	}
}
