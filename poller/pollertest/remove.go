package pollertest

import (
	"errors"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// deleteTests are group B: what is deleted is silent, and what took its number
// is not harmed.
var deleteTests = []subtest{
	{"11 no event after delete", func(s *suite) {
		r, w := fdtest.Pipe(s)
		other, otherEnd := fdtest.Pipe(s)
		w.Write("x")
		otherEnd.Write("x")
		reg, stays := s.add(r, readable), s.add(other, readable)
		s.expectAll(16, reg, stays)
		s.delete(reg)
		for range 3 {
			s.expect(stays, waitctx.ReadyIn)
		}
	}},
	{"11 no event after delete of what did not fit in dst", func(s *suite) {
		var regs []reg
		for range 8 {
			r, w := fdtest.Pipe(s)
			w.Write("x")
			regs = append(regs, s.add(r, readable))
		}
		if n := len(s.wait(1, patience)); n != 1 {
			s.Fatalf("Wait() = %d, want 1", n)
		}
		for _, r := range regs {
			s.delete(r)
		}
		s.silent()
	}},
	{"11 delete while another goroutine waits", func(s *suite) {
		for range 20 {
			r, w := fdtest.Pipe(s)
			reg := s.add(r, readable)
			got := s.waitAside(patience)
			s.delete(reg)
			w.Write("x")
			if err := s.Wake(); err != nil {
				s.Fatalf("Wake() = %v", err)
			}
			s.gets(got)
			r.Close()
			w.Close()
		}
	}},
	{"12 delete with readiness pending", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.delete(reg)
		s.silent()
	}},
	{"13 modify and delete of unknown", func(s *suite) {
		r, w := fdtest.Pipe(s)
		stays := s.add(r, readable)
		unknown := newReg(r.FD(), readable)
		changes := []waitctx.Change{unknown.modify(writable, 1), unknown.delete()}
		if err := s.Apply(changes); !errors.Is(err, waitctx.ErrNotFound) {
			s.Errorf("Apply() = %v, want ErrNotFound", err)
		}
		for _, c := range changes {
			if !errors.Is(c.Err, waitctx.ErrNotFound) {
				s.Errorf("Err of op %d = %v, want ErrNotFound", c.Op, c.Err)
			}
		}
		w.Write("x")
		s.expect(stays, waitctx.ReadyIn)
	}},
	{"13 delete twice", func(s *suite) {
		r, _ := fdtest.Pipe(s)
		reg := s.add(r, readable)
		s.delete(reg)
		if err := s.Apply([]waitctx.Change{reg.delete()}); !errors.Is(err, waitctx.ErrNotFound) {
			s.Errorf("Apply() = %v, want ErrNotFound", err)
		}
	}},
	{"14 delete after close", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		r.Close()
		s.delete(reg)
		s.silent()
	}},
	{"14 delete of suppressed after close", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		r.Close()
		s.delete(reg)
		s.silent()
	}},
	{"15 late delete leaves the number's new owner alone", func(s *suite) {
		r, _ := fdtest.Pipe(s)
		old := s.add(r, readable)
		next, w := fdtest.Pipe(s)
		r = r.Reopen(next)
		reg := s.add(r, readable)
		s.delete(old)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		r.Drain()
		s.silent()
	}},
	{"15 late delete with a dup alive", func(s *suite) {
		r, w := fdtest.Pipe(s)
		old := s.add(r, readable)
		r.Dup()
		w.Write("x")
		s.expect(old, waitctx.ReadyIn)
		next, nextEnd := fdtest.Pipe(s)
		r = r.Reopen(next)
		reg := s.add(r, readable)
		s.delete(old)
		s.silent()
		nextEnd.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.delete(reg)
		s.idle(100 * time.Millisecond)
	}},
	{"15 delete and add of a reused number in one Apply", func(s *suite) {
		r, _ := fdtest.Pipe(s)
		old := s.add(r, readable)
		next, w := fdtest.Pipe(s)
		r = r.Reopen(next)
		reg := newReg(r.FD(), readable)
		s.apply(reg.add(), old.delete())
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"15 reuse is told where the poller sees it", func(s *suite) {
		if !s.caps.SeesReuse {
			s.Skip("Caps.SeesReuse is false")
		}
		for _, withDup := range []bool{false, true} {
			r, _ := fdtest.Pipe(s)
			if withDup {
				r.Dup()
			}
			old := s.add(r, readable)
			next, w := fdtest.Pipe(s)
			reg := s.add(r.Reopen(next), readable)
			s.expect(old, waitctx.ReadyClosed)
			s.silent()
			w.Write("x")
			s.expect(reg, waitctx.ReadyIn)
			s.delete(old)
			s.expect(reg, waitctx.ReadyIn)
			s.delete(reg)
		}
	}},
	{"15 a lost wait that is modified again and again takes nobody's turn", func(s *suite) {
		for _, size := range []int{1, 16} {
			r, _ := fdtest.Pipe(s)
			lost := s.add(r, readable)
			next, w := fdtest.Pipe(s)
			reg := s.add(r.Reopen(next), readable)
			w.Write("x")
			told := make(map[waitctx.Token]bool)
			told[lost.Token] = !s.caps.SeesReuse
			for start, i := time.Now(), readable; !told[lost.Token] || !told[reg.Token]; i ^= readable | writable {
				if time.Since(start) > patience {
					s.Fatalf("with a dst of %d the lost wait was told: %v, the ready one: %v, want both",
						size, told[lost.Token], told[reg.Token])
				}
				s.apply(lost.modify(i, lost.Token))
				for _, e := range s.wait(size, quiet) {
					told[e.Token] = true
				}
			}
			s.delete(lost)
			s.delete(reg)
		}
	}},
	{"15 a number that goes back to a file it had", func(s *suite) {
		r, w := fdtest.Pipe(s)
		first, earlier := s.add(r, readable), r.Dup()
		between, betweenEnd := fdtest.Pipe(s)
		r = r.Reopen(between)
		stray := s.add(r, readable)
		r = r.Reopen(earlier)
		reg := s.add(r, readable)
		s.delete(first)
		// The stray wait may hear of either file until it is deleted. The last
		// one is of the first file alone.
		betweenEnd.Write("x")
		if s.hears(reg, quiet) {
			s.Fatal("the file between was told to a wait of the first one")
		}
		w.Write("x")
		if !s.hears(reg, patience) {
			s.Fatal("the wait was not told of its file")
		}
		// Nor may silencing the stray one, ready as its file is, harm the other.
		s.suppress(stray)
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
		}
		s.delete(stray)
		s.expect(reg, waitctx.ReadyIn)
		r.Drain()
		s.silent()
		s.idle(100 * time.Millisecond)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"16 closed with a dup alive: no ghost, no spin", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		r.Dup()
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		r.Close()
		s.delete(reg)
		s.silent()
		s.idle(200 * time.Millisecond)
		other, otherEnd := fdtest.Pipe(s)
		stays := s.add(other, readable)
		otherEnd.Write("x")
		s.expect(stays, waitctx.ReadyIn)
	}},
	{"16 a ghost is not taken for a later registration", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		r.Dup()
		r.Close()
		s.delete(reg)
		other, otherEnd := fdtest.Pipe(s)
		next := s.add(other, readable)
		w.Write("x")
		s.silent()
		otherEnd.Write("x")
		s.expect(next, waitctx.ReadyIn)
	}},
	{"16 many ghosts next to a live registration", func(s *suite) {
		live, liveEnd := fdtest.Pipe(s)
		stays := s.add(live, readable)
		for range 10 {
			r, w := fdtest.Pipe(s)
			reg := s.add(r, readable)
			r.Dup()
			w.Write("x")
			r.Close()
			s.delete(reg)
		}
		s.silent()
		s.idle(100 * time.Millisecond)
		liveEnd.Write("x")
		s.expect(stays, waitctx.ReadyIn)
	}},
	{"17 delete and add of one descriptor in one Apply", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		old := s.add(r, readable)
		reg := newReg(r.FD(), readable)
		s.apply(reg.add(), old.delete())
		s.expect(reg, waitctx.ReadyIn)
		old, reg = reg, newReg(r.FD(), readable)
		s.apply(old.delete(), reg.add())
		s.expect(reg, waitctx.ReadyIn)
		s.delete(reg)
		s.silent()
	}},
	{"17 delete and add of one ID in one Apply", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		s.apply(reg.add(), reg.delete()) // deletes run first
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"17 added and deleted before a wait", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		s.delete(s.add(r, readable))
		s.silent()
		s.expect(s.add(r, readable), waitctx.ReadyIn)
	}},
	{"18 add of an ID that is held", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		again := reg // an ID belongs to one descriptor: (fd, ID) names a registration
		again.Token = 7
		changes := []waitctx.Change{again.add()}
		err := s.Apply(changes)
		if !errors.Is(err, waitctx.ErrExists) || !errors.Is(changes[0].Err, waitctx.ErrExists) {
			s.Errorf("Apply() = %v with Err %v, want ErrExists", err, changes[0].Err)
		}
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
}

// hears says whether r is told within d, whatever else is.
func (s *suite) hears(r reg, d time.Duration) bool {
	s.Helper()
	for start := time.Now(); time.Since(start) < d; {
		for _, e := range s.wait(16, d) {
			if e.Token == r.Token {
				return true
			}
		}
	}
	return false
}
