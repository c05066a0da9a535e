package pollertest

import (
	"reflect"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// suppressTests are group H.
var suppressTests = []subtest{
	{"57 suppressed is never told", func(s *suite) {
		r, w := fdtest.Pipe(s)
		other, otherEnd := fdtest.Pipe(s)
		reg, stays := s.add(r, readable), s.add(other, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		otherEnd.Write("x")
		for range 5 {
			s.expect(stays, waitctx.ReadyIn)
		}
		w.Close()
		for range 5 {
			s.expect(stays, waitctx.ReadyIn)
		}
	}},
	{"58 rearm tells again", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
			s.suppress(reg)
			s.silent()
			s.rearm(reg)
		}
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"58 rearm at once", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
			s.suppress(reg)
			s.rearm(reg)
		}
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"58 rearm, then ready much later", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		r.Drain()
		s.silent()
		s.rearm(reg)
		s.silent()
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"58 modify while suppressed counts from rearm on", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		b.Write("x")
		reg := s.add(a, readable)
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		s.apply(reg.modify(writable, reg.Token))
		s.rearm(reg)
		if got := s.expect(reg, waitctx.ReadyOut); got&waitctx.ReadyIn != 0 {
			s.Errorf("ready = %s after modify to Writable, want Out", readyString(got))
		}
	}},
	{"59 suppressed, drained, rearmed: no event", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		r.Drain()
		s.rearm(reg)
		s.silent()
	}},
	{"59 suppress and rearm of what is gone", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.delete(reg)
		s.rearm(reg)
		s.silent()
		s.suppress(reg)
		next := s.add(r, readable)
		s.suppress(reg)
		s.expect(next, waitctx.ReadyIn)
		s.rearm(reg)
		s.expect(next, waitctx.ReadyIn)
	}},
	{"60 an event costs no registration call", func(s *suite) {
		if _, ok := s.ctl(); !ok {
			s.Skip("the poller counts no Ctl")
		}
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		round := func() {
			w.Write("x")
			s.expect(reg, waitctx.ReadyIn)
			s.suppress(reg)
			r.Drain()
			s.rearm(reg)
		}
		round()
		before, _ := s.ctl()
		for range 1000 {
			round()
		}
		if after, _ := s.ctl(); after != before {
			s.Errorf("1000 events cost %d registration calls, want 0", after-before)
		}
	}},
}

// ctl is how many calls the poller has made to change what the kernel watches.
func (s *suite) ctl() (int64, bool) { return s.stat("Ctl") }

// stat is a count that the poller keeps, if it has a method Stats whose result
// has a field of that name.
func (s *suite) stat(name string) (int64, bool) {
	stats := reflect.ValueOf(s.Poller).MethodByName("Stats")
	if !stats.IsValid() || stats.Type().NumIn() != 0 || stats.Type().NumOut() != 1 {
		return 0, false
	}
	v := stats.Call(nil)[0]
	if v.Kind() != reflect.Struct {
		return 0, false
	}
	switch f := v.FieldByName(name); {
	case !f.IsValid():
		return 0, false
	case f.CanInt():
		return f.Int(), true
	case f.CanUint():
		return int64(f.Uint()), true
	}
	return 0, false
}
