package waitctx

import (
	"fmt"
	"testing"
	"unsafe"
)

// row is a row of the table of combinations: operations on one key within one
// period, begun with a stable wait of fd 1 or with none, and the difference.
var rows = []struct {
	ops  string
	want string // deletes, then adds
	all  int
}{
	{"set2", "+2", 1},
	{"set2 clear", "", 0},
	{"stable clear", "-1", 0},
	{"stable clear set2", "-1 +2", 1},
	{"stable clear set1", "-1 +1", 1}, // the same number: a new registration
	{"stable clear set2 clear", "-1", 0},
	{"stable set2", "", 1}, // ErrKeyExists; OpenSSL would shadow the first
	{"stable replace2", "-1 +2", 1},
	{"stable release", "-1", 0},
	{"set2 release", "", 0},
	{"look clear", "-1", 0}, // handed out once: undone by a delete only
	{"look clear set1", "-1 +1", 1},
}

func TestCombinationsWithinOnePeriod(t *testing.T) {
	for _, row := range rows {
		t.Run(row.ops, func(t *testing.T) {
			var c WaitCtx
			var op string
			for rest := row.ops; rest != ""; {
				op, rest, _ = cut(rest)
				switch op {
				case "stable":
					c.Set("k", Wait{FD: 1})
					c.Changes(nil)
					c.Ack()
				case "look":
					c.Set("k", Wait{FD: 1})
					c.Changes(nil)
				case "set1":
					c.Set("k", Wait{FD: 1})
				case "set2":
					c.Set("k", Wait{FD: 2})
				case "replace2":
					c.Replace("k", Wait{FD: 2})
				case "clear":
					c.Clear("k")
				case "release":
					c.Release("k")
				}
			}
			for _, look := range []string{"first", "second"} { // a peek twice is the same
				if got := diff(c.Changes(nil)); got != row.want {
					t.Errorf("%s Changes() = %q, want %q", look, got, row.want)
				}
			}
			c.Ack()
			if got := diff(c.Changes(nil)); got != "" {
				t.Errorf("Changes() after Ack = %q, want none", got)
			}
			if c.Len() != row.all {
				t.Errorf("Len() = %d, want %d", c.Len(), row.all)
			}
		})
	}
}

func cut(s string) (first, rest string, ok bool) {
	for i := range s {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

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
		{c.Bind(1 << 20), nil},
		{c.Bind(1 << 21), ErrBusy},
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

func TestTokens(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1})
	ch := c.Changes(nil)
	if ch[0].Token != Token(ch[0].ID) {
		t.Errorf("unbound token = %d, want the ID %d", ch[0].Token, ch[0].ID)
	}
	c.Ack()
	c.Bind(7 << 16)
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
	if n := unsafe.Sizeof(WaitCtx{}); n > 300 {
		t.Errorf("a WaitCtx has %d bytes, want at most 300", n)
	}
}

// fill registers n waits and acknowledges them.
func fill(c *WaitCtx, n int) {
	for i := range n {
		c.Set(new(int), Wait{FD: FD(i + 100)})
	}
	c.Changes(nil)
	c.Ack()
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

func cycle(c *WaitCtx, key any, buf []Change) {
	c.Set(key, Wait{FD: 1})
	c.Changes(buf[:0])
	c.Ack()
	c.Clear(key)
	c.Changes(buf[:0])
	c.Ack()
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{1, 10, 10000} {
		for _, k := range []struct {
			name string
			key  any
		}{{"pointer", new(int)}, {"string", "key"}, {"int", 77}} {
			b.Run(fmt.Sprintf("waits=%d/%s", n, k.name), func(b *testing.B) {
				b.ReportAllocs()
				var c WaitCtx
				fill(&c, n)
				buf := make([]Change, 0, 4)
				for b.Loop() {
					cycle(&c, k.key, buf)
				}
			})
		}
	}
}

// The last drop of a large context lets go of its places while Close runs.
func TestCloseOfManyUnseenWaits(t *testing.T) {
	var c WaitCtx
	ran := 0
	for i := range 200 {
		c.Set(i, Wait{FD: FD(i), Cleanup: func(any, Wait) { ran++ }})
	}
	for i := 1; i < 200; i++ {
		c.Clear(i)
	}
	c.Close()
	if ran != 1 || c.Len() != 0 || c.Dirty() {
		t.Errorf("cleanups %d, Len() = %d, dirty %v, want 1, 0, false", ran, c.Len(), c.Dirty())
	}
	c = WaitCtx{}
	for i := range 200 {
		c.Set(i, Wait{FD: FD(i)}) // without a cleanup each is recycled at once
	}
	for i := 1; i < 200; i++ {
		c.Clear(i)
	}
	c.Close()
	if c.Len() != 0 || c.Dirty() {
		t.Errorf("Len() = %d, dirty %v, want 0, false", c.Len(), c.Dirty())
	}
}
