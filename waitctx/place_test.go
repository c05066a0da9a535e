package waitctx

import "testing"

// Places are used again, so a context that changes for ever does not grow.
func TestPlacesAreUsedAgain(t *testing.T) {
	var c WaitCtx
	for round := range 20 {
		for i := range 8 {
			c.Set(i, Wait{FD: FD(i)})
		}
		if round%2 == 0 { // once through the kernel, once without
			c.Changes(nil)
			c.Ack()
		}
		for i := range 8 {
			c.Clear(i)
		}
		c.Changes(nil)
		c.Ack()
	}
	if c.size() != 8 || c.used != 0 || c.live != 0 {
		t.Errorf("size %d, used %d, live %d after 20 rounds of 8 waits; want 8, 0, 0", c.size(), c.used, c.live)
	}
}

func TestLargeContextThatEmptiedKeepsNothing(t *testing.T) {
	var c WaitCtx
	fill(&c, 100)
	if len(c.more.rest) != 99 || len(c.more.places) != 100 {
		t.Fatalf("%d places, %d in the map; want 99, 100", len(c.more.rest), len(c.more.places))
	}
	var keys []any
	for k := range c.All() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		c.Clear(k)
	}
	c.Changes(nil)
	c.Ack()
	if c.more.rest != nil || c.free != 0 || c.more.places != nil {
		t.Errorf("%d places, free %d, map of %d; want none", len(c.more.rest), c.free, len(c.more.places))
	}
	fill(&c, 100)
	if c.Len() != 100 || c.size() != 100 {
		t.Errorf("Len() = %d with %d places after filling it again, want 100, 100", c.Len(), c.size())
	}
}

func TestSameInterestIsNoChange(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1, Interest: Writable})
	c.Changes(nil)
	c.Ack()
	if err := c.SetInterest("k", Writable); err != nil || c.Dirty() {
		t.Errorf("SetInterest() to what it is = %v, dirty %v; want nil, false", err, c.Dirty())
	}
}

func TestBindIgnoresTheLowBits(t *testing.T) {
	var c WaitCtx
	c.Set("k", Wait{FD: 1})
	c.Bind(3<<placeBits|5, nil)
	ch := change(t, &c, OpAdd, nil)
	if key, _, _, ok := c.Find(ch.Token); ch.Token != 3<<placeBits || key != "k" || !ok {
		t.Errorf("token %#x, found %v, %v; want 3<<16, k, true", ch.Token, key, ok)
	}
}

func TestReset(t *testing.T) {
	var c WaitCtx
	inCleanup := false
	c.Set("k", Wait{FD: 1, Cleanup: func(any, Wait) {
		inCleanup = c.Reset() // its own entry is gone already
	}})
	if c.Reset() {
		t.Error("Reset() of a context with a wait = true")
	}
	c.Changes(nil)
	c.Close()
	if c.Reset() {
		t.Error("Reset() with a delete to report = true")
	}
	c.Ack()
	c.Changes(nil)
	c.Ack()
	if !inCleanup {
		t.Error("Reset() in the last cleanup = false")
	}
	c.Bind(1<<placeBits, nil)
	if c.Reset() {
		t.Error("Reset() of a bound context = true")
	}
	c.Unbind()
	c.Acquire()
	if c.Reset() {
		t.Error("Reset() of a job's context = true")
	}
	c.Relinquish()
	if !c.Reset() {
		t.Error("Reset() of an empty context = false")
	}
}
