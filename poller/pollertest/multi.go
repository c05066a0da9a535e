package pollertest

import (
	"slices"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// multiTests are group F.
var multiTests = []subtest{
	{"45 one descriptor in two pollers", func(s *suite) {
		other := s.on(s.another())
		r, w := fdtest.Pipe(s)
		here, there := s.add(r, readable), other.add(r, readable)
		w.Write("x")
		for range 2 {
			s.expect(here, waitctx.ReadyIn)
			other.expect(there, waitctx.ReadyIn)
		}
		s.delete(here)
		s.silent()
		other.expect(there, waitctx.ReadyIn)
	}},
	{"46 FD as Caps.Nestable has it", func(s *suite) {
		fd, ok := s.FD()
		if ok != s.caps.Nestable {
			s.Fatalf("FD() = %d, %v with Caps.Nestable %v", fd, ok, s.caps.Nestable)
		}
		if !ok {
			return
		}
		outer := s.on(s.another())
		nested := newReg(fd, readable)
		outer.apply(nested.add())
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		s.wait(4, 0)
		outer.silent()
		w.Write("x")
		outer.expect(nested, waitctx.ReadyIn)
		if got := fdtest.Poll(s, fd, readable); got != waitctx.ReadyIn {
			s.Errorf("poll(FD()) = %s, want In", readyString(got))
		}
		s.expect(reg, waitctx.ReadyIn)
		r.Drain()
		s.wait(4, 0)
		outer.silent()
		if err := s.Apply([]waitctx.Change{newReg(fd, readable).add()}); err == nil {
			s.Error("Apply() of the poller's own FD = nil, want an error")
		}
	}},
	{"46 FD outlives a ghost", func(s *suite) {
		fd, nested := s.FD()
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		r.Dup()
		r.Close()
		s.delete(reg)
		w.Write("x")
		s.silent()
		other, otherEnd := fdtest.Pipe(s)
		next := s.add(other, readable)
		s.wait(4, 0)
		for _, ready := range []bool{false, true} {
			if ready {
				otherEnd.Write("x")
			}
			if !nested {
				continue
			}
			if got := fdtest.Poll(s, fd, readable); (got == waitctx.ReadyIn) != ready {
				s.Errorf("poll(FD()) = %s, want In: %v", readyString(got), ready)
			}
		}
		s.expect(next, waitctx.ReadyIn)
		if again, _ := s.FD(); again != fd {
			s.Errorf("FD() = %d, then %d, want the same", fd, again)
		}
	}},
	{"47 descriptors are close-on-exec", func(s *suite) {
		before := fdtest.Numbers(s)
		p := s.on(s.another())
		r, w := fdtest.Pipe(s)
		w.Write("x")
		p.expect(p.add(r, readable), waitctx.ReadyIn)
		for _, fd := range fdtest.Numbers(s) {
			if slices.Contains(before, fd) {
				continue
			}
			if inherited, err := fdtest.Inherited(fd); inherited || err != nil {
				s.Errorf("Inherited(%d) = %v, %v, want false", fd, inherited, err)
			}
		}
	}},
	{"48 hung up, suppressed and idle", func(s *suite) {
		d := time.Second
		if testing.Short() {
			d /= 4
		}
		a, b := fdtest.Socketpair(s)
		reg := s.add(a, readable|writable)
		b.HangUp()
		s.expect(reg, waitctx.ReadyHup)
		s.suppress(reg)
		s.idle(d)
	}},
}
