package pollertest

import (
	"sync/atomic"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/poller"
	"bide/waitctx"
)

// patience is how long something that has to happen may take. Nothing waits
// that long unless the test fails.
const patience = 10 * time.Second

// quiet is how long a Wait must stay without events where none are allowed.
const quiet = 20 * time.Millisecond

// lastID makes IDs that are used once in a process, as waitctx does.
var lastID atomic.Uint64

// Test holds the poller that open returns to the contract. It opens many, and
// closes each.
func Test(t *testing.T, open func(t *testing.T) poller.Poller) {
	for _, list := range [][]subtest{
		deliveryTests, deleteTests, statusTests, wakeTests, timeTests,
		concurrencyTests, stressTests, multiTests, handleTests, suppressTests, edgeTests, modelTests,
	} {
		for _, st := range list {
			t.Run(st.name, func(t *testing.T) {
				fdtest.Check(t)
				fdtest.Retry(t, func() {
					s := &suite{T: t, open: open}
					s.Poller = s.another()
					s.caps = s.Caps()
					st.run(s)
				})
			})
		}
	}
}

type subtest struct {
	name string
	run  func(s *suite)
}

// suite is one subtest's poller and what it takes to talk to it briefly.
type suite struct {
	*testing.T
	poller.Poller
	caps waitctx.Caps
	open func(t *testing.T) poller.Poller
}

// another opens one more poller, closed at the test's end.
func (s *suite) another() poller.Poller {
	s.Helper()
	p := s.open(s.T)
	s.Cleanup(func() {
		if err := p.Close(); err != nil {
			s.Errorf("Close() = %v, want nil", err)
		}
	})
	return p
}

// on is the same suite with another poller.
func (s *suite) on(p poller.Poller) *suite {
	return &suite{T: s.T, Poller: p, caps: p.Caps(), open: s.open}
}

// reg is a registration: the add that made it.
type reg waitctx.Change

// newReg makes a registration known to no poller yet. Its token differs from
// its ID and has high bits, so that mixing them up shows.
func newReg(fd waitctx.FD, i waitctx.Interest) reg {
	id := lastID.Add(1)
	return reg{
		Op: waitctx.OpAdd, ID: waitctx.ID(id), FD: fd, Interest: i,
		Token: waitctx.Token(0xa5<<56 | id*3),
	}
}

func (r reg) add() waitctx.Change { return waitctx.Change(r) }

func (r reg) delete() waitctx.Change {
	return waitctx.Change{Op: waitctx.OpDelete, ID: r.ID, FD: r.FD, Token: r.Token}
}

func (r reg) modify(i waitctx.Interest, t waitctx.Token) waitctx.Change {
	return waitctx.Change{Op: waitctx.OpModify, ID: r.ID, FD: r.FD, Interest: i, Token: t}
}

// apply applies changes that must all succeed.
func (s *suite) apply(changes ...waitctx.Change) {
	s.Helper()
	if err := s.Apply(changes); err != nil {
		s.Fatalf("Apply(%+v) = %v, want nil", changes, err)
	}
	for _, c := range changes {
		if c.Err != nil {
			s.Fatalf("Apply left Err = %v in %+v, want nil", c.Err, c)
		}
	}
}

// add registers a file.
func (s *suite) add(f *fdtest.File, i waitctx.Interest) reg {
	s.Helper()
	r := newReg(f.FD(), i)
	s.apply(r.add())
	return r
}

func (s *suite) delete(r reg) {
	s.Helper()
	s.apply(r.delete())
}

func (s *suite) suppress(r reg) { s.Suppress(r.FD, r.ID) }
func (s *suite) rearm(r reg)    { s.Rearm(r.FD, r.ID) }

// wait waits once, with a dst of n events, and fails on errors.
func (s *suite) wait(n int, timeout time.Duration) []waitctx.Event {
	s.Helper()
	dst := make([]waitctx.Event, n)
	n, err := s.Wait(dst, timeout)
	if err != nil {
		s.Fatalf("Wait() = %d, %v, want no error", n, err)
	}
	return dst[:n]
}

// expect waits for an event of r that says at least want, and no other token.
func (s *suite) expect(r reg, want waitctx.Ready) waitctx.Ready {
	s.Helper()
	var got waitctx.Ready
	for start := time.Now(); time.Since(start) < patience; {
		for _, e := range s.wait(16, patience) {
			if e.Token != r.Token {
				s.Fatalf("Wait told token %#x (%s), want %#x", e.Token, readyString(e.Ready), r.Token)
			}
			if e.Err != nil {
				s.Fatalf("Wait told error %v", e.Err)
			}
			got = e.Ready
		}
		if got&want == want {
			return got
		}
	}
	s.Fatalf("ready = %s, want %s", readyString(got), readyString(want))
	return got
}

// expectAll waits until every one of regs was told, and no other token.
func (s *suite) expectAll(size int, regs ...reg) {
	s.Helper()
	missing := make(map[waitctx.Token]bool, len(regs))
	known := make(map[waitctx.Token]bool, len(regs))
	for _, r := range regs {
		missing[r.Token], known[r.Token] = true, true
	}
	for progress := time.Now(); len(missing) > 0; {
		if time.Since(progress) > patience {
			s.Fatalf("%d of %d ready registrations were never told", len(missing), len(regs))
		}
		for _, e := range s.wait(size, patience) {
			if !known[e.Token] {
				s.Fatalf("Wait told token %#x (%s), which is not expected", e.Token, readyString(e.Ready))
			}
			if missing[e.Token] {
				delete(missing, e.Token)
				progress = time.Now()
			}
		}
	}
}

// silent fails if there is an event, now or within a moment, and if Wait
// returns early for no reason.
func (s *suite) silent() {
	s.Helper()
	for _, timeout := range []time.Duration{0, 0, quiet} {
		start := time.Now()
		for _, e := range s.wait(16, timeout) {
			s.Fatalf("Wait told token %#x (%s), want silence", e.Token, readyString(e.Ready))
		}
		if took := time.Since(start); took < timeout {
			s.Fatalf("Wait(%v) returned after %v without event or wake", timeout, took)
		}
	}
}

// idle fails if waiting for d costs processor time: a source the poller still
// hears of but does not report. That would cost it each time, so that it has three:
// a collection, or qemu-user translating code, costs once.
func (s *suite) idle(d time.Duration) {
	s.Helper()
	var used time.Duration
	for range 3 {
		before, start := processorTime(s), time.Now()
		for _, e := range s.wait(16, d) {
			s.Fatalf("Wait told token %#x (%s), want silence", e.Token, readyString(e.Ready))
		}
		if took := time.Since(start); took < d {
			s.Fatalf("Wait(%v) returned after %v", d, took)
		}
		if used = processorTime(s) - before; used <= max(d/20, 10*time.Millisecond) {
			return
		}
	}
	s.Fatalf("an idle Wait(%v) used %v of processor time, and about as much twice before", d, used)
}

// processorTime is what the process has used so far.
func processorTime(s *suite) time.Duration {
	s.Helper()
	return fdtest.ProcessorTime(s)
}
