package kqueue_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/internal/kqmodel"
	"bide/internal/kqsys"
	"bide/poller/kqueue"
	"bide/waitctx"
)

const patience = 10 * time.Second

// call is one Kevent that a poller made.
type call struct {
	changes []kqsys.Event
	room    int
	timeout time.Duration // negative: forever
}

// seam is a model of kqueue that keeps what it was asked, and whose answers a
// test may change.
type seam struct {
	*kqmodel.Queue

	mu    sync.Mutex
	calls []call
	after func(c call, n int, events []kqsys.Event) (int, error) // nil leaves the answer
}

func (s *seam) Kevent(changes, events []kqsys.Event, timeout *time.Duration) (int, error) {
	c := call{changes: append([]kqsys.Event(nil), changes...), room: len(events), timeout: -1}
	if timeout != nil {
		c.timeout = *timeout
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	n, err := s.Queue.Kevent(changes, events, timeout)
	s.mu.Lock()
	after := s.after
	s.mu.Unlock()
	if after != nil && err == nil {
		return after(c, n, events[:n])
	}
	return n, err
}

// meddle has fn see each answer before the poller does.
func (s *seam) meddle(fn func(c call, n int, events []kqsys.Event) (int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = fn
}

// changes are those of all calls since the last time, in order, and the calls
// that had any.
func (s *seam) changes() (all []kqsys.Event, calls []call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if len(c.changes) > 0 {
			calls = append(calls, c)
		}
		all = append(all, c.changes...)
	}
	s.calls = nil
	return all, calls
}

// asleep returns once a Wait is in a Kevent that blocks.
func (s *seam) asleep() {
	for blocks := false; !blocks; runtime.Gosched() {
		s.mu.Lock()
		if n := len(s.calls); n > 0 {
			blocks = s.calls[n-1].timeout != 0
		}
		s.mu.Unlock()
	}
}

// rig is a poller on a seam.
type rig struct {
	*testing.T
	*kqueue.Poller
	*seam
	id waitctx.ID
}

// each runs a test on every system.
func each(t *testing.T, fn func(r *rig)) {
	for _, system := range kqmodel.Systems {
		t.Run(system.Caps.System, func(t *testing.T) { fn(newRig(t, system)) })
	}
}

func newRig(t *testing.T, system kqmodel.System) *rig {
	t.Helper()
	fdtest.Check(t)
	q, err := kqmodel.Open(system)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, seam: &seam{Queue: q}, id: 1 << 32}
	if r.Poller, err = kqueue.NewOn(r.seam); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Poller.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
	return r
}

// add makes the change that adds a file. Its token is its ID.
func (r *rig) add(f *fdtest.File, i waitctx.Interest) waitctx.Change {
	r.id++
	return waitctx.Change{Op: waitctx.OpAdd, ID: r.id, FD: f.FD(), Interest: i, Token: waitctx.Token(r.id)}
}

func (r *rig) remove(c waitctx.Change) waitctx.Change {
	c.Op = waitctx.OpDelete
	return c
}

func (r *rig) must(changes ...waitctx.Change) {
	r.Helper()
	if err := r.Apply(changes); err != nil {
		r.Fatalf("Apply() = %v, want nil", err)
	}
}

// added registers a file.
func (r *rig) added(f *fdtest.File, i waitctx.Interest) waitctx.Change {
	r.Helper()
	c := r.add(f, i)
	r.must(c)
	return c
}

// told waits once, with room for n events.
func (r *rig) told(n int, timeout time.Duration) []waitctx.Event {
	r.Helper()
	dst := make([]waitctx.Event, n)
	n, err := r.Wait(dst, timeout)
	if err != nil {
		r.Fatalf("Wait() = %d, %v, want no error", n, err)
	}
	return dst[:n]
}

// expect fails unless the next Wait tells exactly this.
func (r *rig) expect(c waitctx.Change, ready waitctx.Ready) {
	r.Helper()
	got := r.told(4, patience)
	if len(got) != 1 || got[0].Token != c.Token || got[0].Ready != ready || got[0].Err != nil {
		r.Fatalf("Wait() = %+v, want token %#x with %#x", got, c.Token, ready)
	}
}

func (r *rig) silent() {
	r.Helper()
	if got := r.told(4, 0); len(got) != 0 {
		r.Fatalf("Wait() = %+v, want nothing", got)
	}
}

// knotes fails unless the kernel holds n knotes, but for the wake's.
func (r *rig) knotes(n int) {
	r.Helper()
	if got := r.Len() - 1; got != n {
		r.Fatalf("%d knotes, want %d", got, n)
	}
}

// The methods that both halves have.
func (r *rig) Caps() waitctx.Caps { return r.Poller.Caps() }
func (r *rig) Close() error       { return r.Poller.Close() }
