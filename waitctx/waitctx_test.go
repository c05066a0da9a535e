package waitctx

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"
)

func diff(changes []Change) string {
	s := ""
	for i, c := range changes {
		if i > 0 {
			s += " "
		}
		s += fmt.Sprintf("%c%d", " -~+"[c.Op], c.FD)
	}
	return s
}

func TestWhatChangesAfterChangesStaysPending(t *testing.T) {
	var c WaitCtx
	c.Set("a", Wait{FD: 1})
	c.Changes(nil)
	c.Set("b", Wait{FD: 2})
	c.SetInterest("a", Writable)
	c.Ack()
	if got := diff(c.Changes(nil)); got != "~1 +2" {
		t.Errorf("Changes() = %q, want %q", got, "~1 +2")
	}
}

func TestCleanupWaitsForTheDelete(t *testing.T) {
	var c WaitCtx
	ran := 0
	c.Set("k", Wait{FD: 1, Cleanup: func(key any, w Wait) {
		ran++
		if _, ok := c.Get("k"); ok {
			t.Error("Get() in the cleanup finds the wait")
		}
		if err := c.Set("other", Wait{FD: 2}); err != ErrClosed {
			t.Errorf("Set() in the cleanup of Close = %v, want ErrClosed", err)
		}
	}})
	c.Changes(nil)
	c.Ack()
	c.Close()
	if ran != 0 {
		t.Fatal("the cleanup ran before the delete was told")
	}
	if got := diff(c.Changes(nil)); got != "-1" || ran != 0 {
		t.Fatalf("Changes() = %q, cleanups %d, want -1, 0", got, ran)
	}
	c.Ack()
	c.Close()
	c.Ack()
	if ran != 1 {
		t.Errorf("cleanups = %d, want 1", ran)
	}
}

func TestBadInput(t *testing.T) {
	var c WaitCtx
	for _, tc := range []struct {
		err, want error
	}{
		{c.Set("k", Wait{FD: BadFD}), ErrBadFD},
		{c.Set("k", Wait{FD: 1}), nil},
		{c.Set("k", Wait{FD: 1}), ErrKeyExists},
		{c.SetInterest("none", Readable), ErrNoKey},
		{c.Bind(1<<20, nil), nil},
		{c.Bind(1<<21, nil), ErrBusy},
	} {
		if tc.err != tc.want {
			t.Errorf("error %v, want %v", tc.err, tc.want)
		}
	}
	if err := c.Set([]int{1}, Wait{FD: 1}); err == nil {
		t.Error("Set with a slice as key = nil, want ErrBadKey")
	}
	if _, ok := c.Get([]int{1}); ok {
		t.Error("Get with a slice as key found something")
	}
}

// TestKeysThatCannotBeCompared looks up such keys beside ones that are set and
// differ from them only there.
func TestKeysThatCannotBeCompared(t *testing.T) {
	type key struct{ a, b any }
	for n := range 3 * mapFrom {
		var c WaitCtx
		for i := range n {
			if err := c.Set(key{1, i}, Wait{FD: FD(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []any{[]int{1}, key{1, []int{0}}, key{[]int{1}, 0}, func() {}} {
			if err := c.Set(k, Wait{FD: 1}); !errors.Is(err, ErrBadKey) {
				t.Errorf("%d waits: Set(%T) = %v, want ErrBadKey", n, k, err)
			}
			_, got := c.Get(k)
			_, cleared := c.Clear(k)
			if got || cleared || c.Release(k) || c.ID(k) != 0 || c.Place(k) != -1 || c.Err(k) != nil {
				t.Errorf("%d waits: %T was found", n, k)
			}
		}
		if c.Len() != n {
			t.Errorf("%d waits are left of %d", c.Len(), n)
		}
	}
}

func TestTokens(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1})
	ch := c.Changes(nil)
	if ch[0].Token != Token(ch[0].ID) {
		t.Errorf("unbound token = %d, want the ID %d", ch[0].Token, ch[0].ID)
	}
	c.Ack()
	c.Bind(7<<16, nil)
	ch = c.Changes(nil)
	if len(ch) != 1 || ch[0].Op != OpModify || ch[0].Token != 7<<16 {
		t.Fatalf("Changes() after Bind = %+v, want a modify to token 7<<16", ch)
	}
	if key, _, _, ok := c.Find(ch[0].Token); !ok || key != "k" {
		t.Errorf("Find() = %v, %v, want k", key, ok)
	}
	if _, _, _, ok := c.Find(8 << 16); ok {
		t.Error("Find() of another base found something")
	}
	c.Ack()
	if c.Dirty() {
		t.Error("dirty after Ack")
	}
}

func TestCallbackAndStatus(t *testing.T) {
	var c WaitCtx
	if _, _, ok := c.Callback(); ok || c.Status() != StatusUnsupported {
		t.Error("a new context has a callback or a status")
	}
	x := 0
	c.SetCallback(func(arg any) error { *arg.(*int)++; return nil }, &x)
	fn, arg, ok := c.Callback()
	if !ok || arg != &x || fn(arg) != nil || x != 1 {
		t.Errorf("Callback() = %v, %v; x = %d", arg, ok, x)
	}
	c.SetStatus(StatusErr)
	if c.Status() != StatusErr {
		t.Errorf("Status() = %d, want %d", c.Status(), StatusErr)
	}
}

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(WaitCtx{}); n > 96 {
		t.Errorf("a WaitCtx has %d bytes, want at most 96", n)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, n := range []int{0, 5, 1000} {
		for name, key := range map[string]any{"pointer": new(int), "string": "key", "int": 77} {
			var c WaitCtx
			fill(&c, n)
			buf := make([]Change, 0, 4)
			if got := testing.AllocsPerRun(100, func() { cycle(&c, key, buf) }); got != 0 {
				t.Errorf("%d waits, %s key: %v allocations, want 0", n, name, got)
			}
		}
	}
}

func TestSteadyStateOfTheOthersAllocatesNothing(t *testing.T) {
	for _, n := range []int{0, 5, 1000} {
		var c WaitCtx
		fill(&c, n)
		var key any = "key"
		buf := make([]Change, 0, n+4)
		c.Set(key, Wait{FD: 1})
		c.Changes(buf)
		c.Ack()
		got := testing.AllocsPerRun(100, func() {
			c.SetInterest(key, Writable)
			c.Changes(buf)
			c.Changes(buf)
			c.Ack()
			c.SetInterest(key, Readable)
			c.Changes(buf)
			c.Ack()
			c.Replace(key, Wait{FD: 2})
			c.Changes(buf)
			c.Ack()
			c.Get(key)
			for range c.All() {
			}
			c.Release(key)
			c.Set(key, Wait{FD: 1})
			c.Changes(buf)
			c.Ack()
			c.Bind(1<<placeBits, nil)
			for _, ch := range c.Changes(buf) {
				c.Find(ch.Token)
			}
			c.Ack()
			c.Unbind()
		})
		if got != 0 {
			t.Errorf("%d waits: %v allocations, want 0", n, got)
		}
	}
}

// change takes the changes of c, of which there must be one, with err in it.
func change(t *testing.T, c *WaitCtx, op Op, err error) Change {
	t.Helper()
	ch := c.Changes(nil)
	if len(ch) != 1 || ch[0].Op != op {
		t.Fatalf("Changes() = %+v, want one with op %d", ch, op)
	}
	ch[0].Err = err
	return ch[0]
}

func TestRefusedAdd(t *testing.T) {
	var c WaitCtx
	ran := 0
	c.Set("good", Wait{FD: 1})
	c.Set("bad", Wait{FD: 2, Cleanup: func(any, Wait) { ran++ }})
	var failed []Change
	for _, ch := range c.Changes(nil) {
		if ch.FD == 2 {
			ch.Err = errRefused
			failed = append(failed, ch)
		}
	}
	c.Ack(failed...)
	if _, ok := c.Get("bad"); ok || ran != 1 || c.Err("bad") != errRefused {
		t.Errorf("after a refused add: set %v, cleanups %d, Err %v; want false, 1, %v", ok, ran, c.Err("bad"), errRefused)
	}
	if _, ok := c.Get("good"); !ok || c.Err("good") != nil || c.Len() != 1 || c.Dirty() {
		t.Errorf("the other wait: set %v, Err %v, Len %d, dirty %v; want true, nil, 1, false", ok, c.Err("good"), c.Len(), c.Dirty())
	}
	if err := c.Set("bad", Wait{FD: 3}); err != nil || c.Err("bad") != nil {
		t.Errorf("Set() after the refusal = %v, Err then %v, want nil, nil", err, c.Err("bad"))
	}
}

func TestRefusedModify(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1})
	c.Changes(nil)
	c.Ack()
	c.SetInterest("k", Writable)
	c.Ack(change(t, &c, OpModify, errRefused))
	if w, _ := c.Get("k"); w.Interest != Readable || c.Err("k") != errRefused || c.Dirty() {
		t.Errorf("interest %d, Err %v, dirty %v; want the acknowledged one, %v, false", w.Interest, c.Err("k"), c.Dirty(), errRefused)
	}
}

func TestRefusedDeleteStaysPending(t *testing.T) {
	var c WaitCtx
	ran := 0
	c.Set("k", Wait{FD: 1, Cleanup: func(any, Wait) { ran++ }})
	c.Changes(nil)
	c.Ack()
	c.Release("k")
	first := change(t, &c, OpDelete, errRefused)
	c.Ack(first)
	if again := change(t, &c, OpDelete, nil); again.ID != first.ID || ran != 0 {
		t.Errorf("second delete of ID %d, cleanups %d; want ID %d, 0", again.ID, ran, first.ID)
	}
	c.Ack()
	if ran != 1 || c.Dirty() {
		t.Errorf("cleanups %d, dirty %v; want 1, false", ran, c.Dirty())
	}
}

// A modify that was told before the Bind and refused after it must not make
// the new token look told.
func TestRefusedModifyAcrossBind(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1})
	c.Changes(nil)
	c.Ack()
	c.SetInterest("k", Writable)
	told := change(t, &c, OpModify, errRefused)
	c.Bind(1<<placeBits, nil)
	c.Ack(told)
	if ch := change(t, &c, OpModify, nil); ch.Token != 1<<placeBits || ch.Interest != Readable {
		t.Errorf("change after Bind = %+v, want token 1<<16 and the acknowledged interest", ch)
	}
}

func TestCloseAfterMany(t *testing.T) {
	for _, told := range []bool{false, true} {
		var c WaitCtx
		ran := 0
		for i := range 100 {
			c.Set(i, Wait{FD: FD(i), Cleanup: func(any, Wait) { ran++ }})
		}
		if told {
			c.Changes(nil)
			c.Ack()
		}
		c.Clear(99) // the last place is free: Close must not look for it once it shrank
		c.Close()
		if n := len(c.Changes(nil)); told && n != 100 || !told && n != 0 {
			t.Errorf("told %v: %d changes after Close", told, n)
		}
		c.Ack()
		if ran != 99 || c.Len() != 0 || c.Dirty() {
			t.Errorf("told %v: cleanups %d, Len %d, dirty %v; want 99, 0, false", told, ran, c.Len(), c.Dirty())
		}
		if !c.Reset() || c.Set("k", Wait{FD: 1}) != nil || c.Len() != 1 {
			t.Errorf("told %v: a closed and drained context cannot be used again", told)
		}
	}
	var c WaitCtx // no cleanups: places are given back while Close walks over them
	for i := range 100 {
		c.Set(i, Wait{FD: FD(i)})
	}
	c.Clear(99)
	c.Close()
	if c.Len() != 0 || c.Dirty() {
		t.Errorf("Len %d, dirty %v after Close; want 0, false", c.Len(), c.Dirty())
	}
}

func TestFull(t *testing.T) {
	var c WaitCtx
	for i := range MaxWaits {
		if err := c.Set(i, Wait{FD: FD(i)}); err != nil {
			t.Fatalf("Set number %d = %v", i, err)
		}
	}
	if err := c.Set(-1, Wait{FD: 1}); err != ErrFull {
		t.Errorf("Set() in a full context = %v, want ErrFull", err)
	}
	if _, err := c.Replace(5, Wait{FD: 1}); err != nil {
		t.Errorf("Replace() of a wait nobody was told of = %v, want nil", err)
	}
	c.Changes(nil)
	c.Ack()
	if _, err := c.Replace(5, Wait{FD: 1}); err != ErrFull {
		t.Errorf("Replace() in a full context = %v, want ErrFull: the old wait keeps its place until its delete", err)
	}
	if _, ok := c.Get(5); !ok || c.Dirty() {
		t.Error("a Replace that was refused changed something")
	}
	for _, key := range []int{0, 7} { // at the first place and at another
		c.Clear(key)
		c.Changes(nil)
		c.Ack()
		if _, err := c.Replace(5, Wait{FD: 1}); err != nil {
			t.Errorf("Replace() with one place free, that of key %d = %v, want nil", key, err)
		}
		c.Changes(nil)
		c.Ack()
		if err := c.Set(key, Wait{FD: 1}); err != nil {
			t.Errorf("Set() with one place free = %v, want nil", err)
		}
		c.Changes(nil)
		c.Ack()
	}
}

// A cleanup may call any method, Set and Release included.
func TestCleanupUsesTheContext(t *testing.T) {
	var c WaitCtx
	var order []any
	nested := func(key any, w Wait) {
		order = append(order, key)
		if key == "a" || len(order) == 1 {
			c.Set(len(order), Wait{FD: 9})
			c.Clear("c")
			c.Release("d")
			c.Changes(nil)
		}
	}
	for i, k := range []string{"a", "b", "c", "d"} {
		c.Set(k, Wait{FD: FD(i), Cleanup: nested})
	}
	c.Changes(nil)
	c.Ack()
	c.Release("a")
	c.Release("b")
	c.Changes(nil)
	c.Ack()
	c.Changes(nil)
	c.Ack()
	count := map[any]int{}
	for _, k := range order {
		count[k]++
	}
	if len(order) != 3 || count["a"] != 1 || count["b"] != 1 || count["d"] != 1 {
		t.Errorf("cleanups ran for %v, want a, b and d once each; c was cleared", order)
	}
}

func TestBadKeysAndInterests(t *testing.T) {
	type pair struct{ a, b any }
	var c WaitCtx
	for _, key := range []any{[]int{1}, map[int]int{}, func() {}, pair{1, []int{2}}, [1]any{[]int{1}}} {
		if err := c.Set(key, Wait{FD: 1}); !errors.Is(err, ErrBadKey) {
			t.Errorf("Set(%T) = %v, want ErrBadKey", key, err)
		}
		if _, err := c.Replace(key, Wait{FD: 1}); !errors.Is(err, ErrBadKey) {
			t.Errorf("Replace(%T) = %v, want ErrBadKey", key, err)
		}
		if err := c.SetInterest(key, Readable); !errors.Is(err, ErrBadKey) {
			t.Errorf("SetInterest(%T) = %v, want ErrBadKey", key, err)
		}
		_, got := c.Get(key)
		_, cleared := c.Clear(key)
		if got || cleared || c.Release(key) || c.Err(key) != nil || c.ID(key) != 0 {
			t.Errorf("a key of type %T found something", key)
		}
	}
	for _, key := range []any{nil, pair{1, "x"}, [2]int{1, 2}, 1.5, true, new(int)} {
		if err := c.Set(key, Wait{FD: 1, Interest: Silent}); err != nil {
			t.Errorf("Set(%T) = %v, want nil", key, err)
		}
		if w, ok := c.Get(key); !ok || w.Interest != Silent {
			t.Errorf("Get(%T) = %+v, %v", key, w, ok)
		}
	}
	if err := c.Set("k", Wait{FD: 1, Interest: Edge << 1}); err == nil {
		t.Error("Set with an unknown interest = nil")
	}
	if err := c.SetInterest(nil, 0); err != nil {
		t.Errorf("SetInterest(0) = %v, want nil", err)
	}
	if w, _ := c.Get(nil); w.Interest != Readable {
		t.Errorf("interest after SetInterest(0) = %d, want Readable", w.Interest)
	}
	c.Close()
	_, err := c.Replace(nil, Wait{FD: 1})
	if err != ErrClosed || c.Set("k", Wait{FD: 1}) != ErrClosed || c.SetInterest(nil, Readable) != ErrClosed {
		t.Errorf("Replace, Set or SetInterest after Close is not ErrClosed (%v)", err)
	}
}

func TestUnbindLeavesTheWaits(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1})
	c.Bind(1<<placeBits, nil)
	first := change(t, &c, OpAdd, nil)
	c.Ack()
	c.Unbind()
	if c.Dirty() || c.Len() != 1 {
		t.Errorf("dirty %v, Len %d after Unbind; want false, 1", c.Dirty(), c.Len())
	}
	if _, _, _, ok := c.Find(first.Token); ok {
		t.Error("Find() finds a token in an unbound context")
	}
	if err := c.Bind(2<<placeBits, nil); err != nil {
		t.Fatalf("Bind() by the next consumer = %v, want nil", err)
	}
	second := change(t, &c, OpModify, nil)
	if second.ID != first.ID || second.Token != 2<<placeBits {
		t.Errorf("change = %+v, want ID %d with token 2<<16", second, first.ID)
	}
}

// A Cleanup that panics keeps none of the others from theirs.
func TestCleanupThatPanics(t *testing.T) {
	var c WaitCtx
	ran := 0
	for key := range 3 {
		c.Set(key, Wait{FD: FD(key), Cleanup: func(any, Wait) { ran++; panic(key) }})
	}
	c.Changes(nil)
	c.Close()
	c.Changes(nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Ack did not panic")
			}
		}()
		c.Ack()
	}()
	if ran != 3 || !c.Reset() {
		t.Errorf("%d of 3 Cleanups ran", ran)
	}
}
