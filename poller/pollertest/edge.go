package pollertest

import (
	"bide/internal/fdtest"
	"bide/waitctx"
)

const edge = waitctx.Edge

// edgeTests hold the poller to what waitctx.Edge promises the consumer. A poller
// without Caps.Edges tells more, and no less.
var edgeTests = []subtest{
	{"61 edges: what comes is told", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable|edge)
		for range 3 {
			w.Write("x")
			s.expect(reg, waitctx.ReadyIn)
			r.Drain()
			s.silent()
		}
	}},
	{"61 edges: what is left is told again as Caps.Edges has it", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable|edge)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		if s.caps.Edges {
			s.silent()
		} else {
			s.expect(reg, waitctx.ReadyIn)
		}
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"61 edges: add, modify and rearm look anew", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		reg := s.add(r, readable|edge)
		s.expect(reg, waitctx.ReadyIn)
		reg.Token++
		s.apply(reg.modify(readable|edge, reg.Token))
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
		s.apply(reg.modify(readable, reg.Token))
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
		}
	}},
	{"61 edges: what came while suppressed is told after rearm", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable|edge)
		s.suppress(reg)
		w.Write("x")
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"62 edges: an end of stream behind the last data", func(s *suite) {
		for _, pair := range []func(*suite) (a, b *fdtest.File){
			func(s *suite) (a, b *fdtest.File) { return fdtest.TCP(s) },
			func(s *suite) (a, b *fdtest.File) { return fdtest.Socketpair(s) },
		} {
			for _, told := range []bool{false, true} {
				a, b := pair(s)
				reg := s.add(a, readable|edge)
				b.Write("last")
				if told { // of the data alone
					s.expect(reg, waitctx.ReadyIn)
				}
				b.ShutdownWrite()
				if !told {
					s.expect(reg, waitctx.ReadyIn)
				}
				a.Read(4)
				for range 3 {
					s.expect(reg, waitctx.ReadyIn)
				}
				s.delete(reg)
			}
		}
	}},
	{"62 edges: an error", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(w, writable|edge)
		s.expect(reg, waitctx.ReadyOut)
		r.Close()
		for range 3 {
			s.expect(reg, waitctx.ReadyOut)
		}
	}},
	{"62 edges: urgent data stops a read short", func(s *suite) {
		a, b := fdtest.TCP(s)
		reg := s.add(a, readable|edge)
		b.Write("ab")
		if err := b.WriteUrgent("!"); err != nil {
			s.Skipf("MSG_OOB: %v", err)
		}
		b.Write("cd")
		s.expect(reg, waitctx.ReadyIn)
		a.Read(2)
		s.expect(reg, waitctx.ReadyIn)
		a.Read(2)
		b.Write("ef")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"63 edges: shared with a wait for levels", func(s *suite) {
		r, w := fdtest.Pipe(s)
		byEdge, byLevel := s.add(r, readable|edge), s.add(r, readable)
		w.Write("x")
		for range 3 {
			s.expectAll(16, byEdge, byLevel)
		}
		s.suppress(byLevel)
		for range 3 {
			s.wait(16, 0) // may tell of byEdge
		}
		s.rearm(byLevel)
		for range 3 {
			s.expectAmong(byLevel, byEdge)
		}
		s.delete(byLevel)
		r.Drain()
		w.Write("x")
		s.expect(byEdge, waitctx.ReadyIn)
	}},
	{"63 edges: one that was suppressed as another heard", func(s *suite) {
		r, w := fdtest.Pipe(s)
		deaf, hears := s.add(r, readable|edge), s.add(r, readable|edge)
		s.suppress(deaf)
		w.Write("x")
		s.expect(hears, waitctx.ReadyIn)
		s.rearm(deaf)
		s.expectAmong(deaf, hears)
	}},
	{"63 edges: no room in dst", func(s *suite) {
		r, w := fdtest.Pipe(s)
		one, two := s.add(r, readable|edge), s.add(r, readable|edge)
		w.Write("x")
		s.wait(0, patience)
		s.wait(0, patience)
		s.expectAll(1, one, two)
	}},
}

// expectAmong waits until r is told, which others may be besides.
func (s *suite) expectAmong(r reg, others ...reg) {
	s.Helper()
	for {
		events := s.wait(16, patience)
		if len(events) == 0 {
			s.Fatalf("token %#x was never told", r.Token)
		}
		found := false
		for _, e := range events {
			known := e.Token == r.Token
			found = found || known
			for _, o := range others {
				known = known || e.Token == o.Token
			}
			if !known {
				s.Fatalf("Wait told token %#x (%s), which is not expected", e.Token, readyString(e.Ready))
			}
		}
		if found {
			return
		}
	}
}
