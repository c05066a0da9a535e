package pollertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

const (
	readable = waitctx.Readable
	writable = waitctx.Writable
)

// deliveryTests are group A: what is ready is told.
var deliveryTests = []subtest{
	{"01 added then ready", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		s.silent()
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"01 readable and writable in one event", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		reg := s.add(a, readable|writable)
		b.Write("x")
		s.expect(reg, waitctx.ReadyIn|waitctx.ReadyOut)
		if n := len(s.wait(16, 0)); n != 1 {
			s.Errorf("Wait() = %d events for one registration, want 1", n)
		}
	}},
	{"01 only what is of interest", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		b.Write("x")
		reg := s.add(a, writable)
		if got := s.expect(reg, waitctx.ReadyOut); got&waitctx.ReadyIn != 0 {
			s.Errorf("ready = %s with interest Writable, want Out", readyString(got))
		}
	}},
	{"02 ready then added", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		s.expect(s.add(r, readable), waitctx.ReadyIn)
	}},
	{"03 add while another goroutine waits", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		for range 20 {
			reg := newReg(r.FD(), readable)
			got := s.waitAside(patience)
			s.apply(reg.add())
			s.gets(got, reg.Token)
			s.delete(reg)
		}
	}},
	{"03 modify while another goroutine waits", func(s *suite) {
		a, _ := fdtest.Socketpair(s)
		for range 20 {
			reg := s.add(a, readable)
			got := s.waitAside(patience)
			s.apply(reg.modify(writable, reg.Token))
			s.gets(got, reg.Token)
			s.delete(reg)
		}
	}},
	{"04 modify replaces interest", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		b.Write("x")
		reg := s.add(a, readable)
		s.expect(reg, waitctx.ReadyIn)
		s.apply(reg.modify(writable, reg.Token))
		if got := s.expect(reg, waitctx.ReadyOut); got&waitctx.ReadyIn != 0 {
			s.Errorf("ready = %s after modify to Writable, want Out", readyString(got))
		}
		a.Fill()
		s.silent()
		s.apply(reg.modify(readable, reg.Token))
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"04 modify replaces token", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		reg := s.add(r, readable)
		s.expect(reg, waitctx.ReadyIn)
		renamed := reg
		renamed.Token = reg.Token + 1
		s.apply(reg.modify(readable, renamed.Token))
		s.expect(renamed, waitctx.ReadyIn)
	}},
	{"05 level repeats until drained", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("xyz")
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
		}
		r.Read(1)
		s.expect(reg, waitctx.ReadyIn)
		r.Drain()
		s.silent()
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"05 writable repeats until full", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		reg := s.add(a, writable)
		s.expect(reg, waitctx.ReadyOut)
		s.expect(reg, waitctx.ReadyOut)
		a.Fill()
		s.silent()
		b.Drain()
		s.expect(reg, waitctx.ReadyOut)
	}},
	{"06 suppressed is silent until rearmed", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		w.Write("y")
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"06 two are rearmed at once", func(s *suite) {
		a, aw := fdtest.Pipe(s)
		b, bw := fdtest.Pipe(s)
		regs := []reg{s.add(a, readable), s.add(b, readable)}
		aw.Write("x")
		bw.Write("x")
		s.expectAll(2, regs...)
		for _, r := range regs {
			s.suppress(r)
		}
		s.silent()
		for _, r := range regs {
			s.rearm(r)
		}
		s.expectAll(2, regs...)
	}},
	{"07 dst beyond n is untouched", func(s *suite) {
		r, w := fdtest.Pipe(s)
		mark := waitctx.Event{Token: 0xdead, Ready: 0x8000}
		dst := []waitctx.Event{mark, mark, mark, mark}
		if n, err := s.Wait(dst, 0); n != 0 || err != nil {
			s.Fatalf("Wait() = %d, %v, want 0, nil", n, err)
		}
		reg := s.add(r, readable)
		w.Write("x")
		n, err := s.Wait(dst[:3], patience)
		if n != 1 || err != nil || dst[0].Token != reg.Token {
			s.Fatalf("Wait() = %d, %v with %+v, want 1, nil with token %#x", n, err, dst[0], reg.Token)
		}
		for i, e := range dst[n:] {
			if e != mark {
				s.Errorf("dst[%d] = %+v, want it untouched", n+i, e)
			}
		}
	}},
	{"07 signals take no event away", func(s *suite) {
		stop := s.signals()
		defer stop()
		var regs []reg
		for range 20 {
			r, w := fdtest.Pipe(s)
			w.Write("x")
			regs = append(regs, s.add(r, readable))
		}
		for range 20 {
			s.expectAll(4, regs...)
		}
	}},
	{"08 zero timeout collects", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		if got := s.wait(16, 0); len(got) != 1 || got[0].Token != reg.Token {
			s.Fatalf("Wait(0) = %+v, want token %#x", got, reg.Token)
		}
		r.Drain()
		start := time.Now()
		if got := s.wait(16, 0); len(got) != 0 {
			s.Fatalf("Wait(0) = %+v, want nothing", got)
		}
		if took := time.Since(start); took > patience/2 {
			s.Errorf("Wait(0) took %v", took)
		}
	}},
	{"09 dst of one tells K ready within K waits", func(s *suite) {
		const k = 20
		told := make(map[waitctx.Token]int)
		for range k {
			r, w := fdtest.Pipe(s)
			w.Write("x")
			told[s.add(r, readable).Token] = 0
		}
		for round := 1; round <= 3; round++ {
			for range k {
				for _, e := range s.wait(1, patience) {
					told[e.Token]++
				}
			}
			for token, n := range told {
				if n == 0 {
					s.Fatalf("token %#x was not told within %d waits", token, k)
				}
				told[token] = 0
			}
		}
	}},
	{"09 dst of one with waits that share a number", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		told := make(map[waitctx.Token]bool)
		for range 3 {
			s.add(r, readable)
		}
		for range 3 {
			for _, e := range s.wait(1, patience) {
				told[e.Token] = true
			}
		}
		if len(told) != 3 {
			s.Errorf("%d of 3 waits of one number were told within 3 waits", len(told))
		}
	}},
	{"09 duplicates hear each what it is for", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		b.Write("x")
		for range 2 { // told first, so that the next two were ready before their Wait
			r, w := fdtest.Pipe(s)
			w.Write("x")
			s.add(r, readable)
		}
		both, one := s.add(a, readable|writable), s.add(a.Dup(), readable)
		told := make(map[waitctx.Token]waitctx.Ready)
		for range 4 {
			for _, e := range s.wait(2, patience) {
				told[e.Token] |= e.Ready
			}
		}
		for r, want := range map[reg]waitctx.Ready{both: waitctx.ReadyIn | waitctx.ReadyOut, one: waitctx.ReadyIn} {
			if got := told[r.Token]; got != want {
				s.Errorf("ready = %s, want %s", readyString(got), readyString(want))
			}
		}
	}},
	{"09 what did not fit is judged anew by the next wait", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		for range 3 {
			s.add(r, readable)
		}
		if n := len(s.wait(1, patience)); n != 1 {
			s.Fatalf("Wait() = %d, want 1", n)
		}
		r.Drain()
		s.silent()
	}},
	{"09 what did not fit goes by a modified interest", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		a.Fill()
		b.Write("x")
		regs := []reg{s.add(a, readable), s.add(a, readable)}
		if n := len(s.wait(1, patience)); n != 1 {
			s.Fatalf("Wait() = %d, want 1", n)
		}
		for _, r := range regs {
			s.apply(r.modify(writable, r.Token))
		}
		s.silent()
	}},
	{"10 100 sources", func(s *suite) { s.manySources(100) }},
	{"10 1000 sources", func(s *suite) { s.manySources(1000) }},
	{"10 10000 sources", func(s *suite) {
		if testing.Short() {
			s.Skip("short")
		}
		s.manySources(10000)
	}},
	{"04 second wait on a number: both hear", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		in, out := s.add(a, readable), s.add(a, writable)
		s.expect(out, waitctx.ReadyOut)
		b.Write("x")
		s.expectAll(16, in, out)
		s.delete(out)
		s.expect(in, waitctx.ReadyIn)
		also := s.add(a, readable)
		s.expectAll(1, in, also)
		s.suppress(in)
		s.expect(also, waitctx.ReadyIn)
		s.delete(in)
		s.expect(also, waitctx.ReadyIn)
		s.delete(also)
		s.silent()
	}},
	{"04 many waits on a number, deleted in any order", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		rnd := rand.New(rand.NewPCG(4, 4))
		var all []reg
		for range 40 {
			all = append(all, s.add(r, readable))
		}
		for len(all) > 1 {
			s.expectAll(len(all), all...)
			for range min(3, len(all)-1) {
				i := rnd.IntN(len(all))
				if rnd.IntN(2) == 0 {
					s.suppress(all[i])
				}
				s.delete(all[i])
				all = slices.Delete(all, i, i+1)
			}
			i := rnd.IntN(len(all))
			s.suppress(all[i])
			s.rearm(all[i])
		}
		s.expect(all[0], waitctx.ReadyIn)
		s.delete(all[0])
		s.silent()
	}},
}

// manySources adds n descriptors of few files and has all of them told, with
// some ready and with all.
func (s *suite) manySources(n int) {
	s.Helper()
	if limit := fdtest.Limit(s); limit < n+n/25+100 {
		s.Skipf("needs %d descriptors, the limit is %d", n+n/25+100, limit)
	}
	var idle, idleEnd, busy, busyEnd *fdtest.File
	var idleEnds []*fdtest.File
	var all, ready []reg
	var changes []waitctx.Change
	for i := range n {
		if i%100 == 0 {
			idle, idleEnd = fdtest.Pipe(s)
			busy, busyEnd = fdtest.Pipe(s)
			idleEnds = append(idleEnds, idleEnd)
			busyEnd.Write("x")
		}
		f := idle
		if i%10 == 0 {
			f = busy
		}
		r := newReg(f.Dup().FD(), readable)
		changes = append(changes, r.add())
		all = append(all, r)
		if f == busy {
			ready = append(ready, r)
		}
	}
	s.apply(changes...)
	s.expectAll(64, ready...)
	for _, f := range idleEnds {
		f.Write("x")
	}
	s.expectAll(256, all...)
	for i, r := range all {
		changes[i] = r.delete()
	}
	s.apply(changes...)
	s.silent()
}

// result is what a Wait in another goroutine came back with.
type result struct {
	events []waitctx.Event
	err    error
}

// waitAside starts a Wait in another goroutine and returns once it is inside:
// once a second Wait is told ErrBusy.
func (s *suite) waitAside(timeout time.Duration) <-chan result {
	s.Helper()
	got := make(chan result, 1)
	go func() {
		dst := make([]waitctx.Event, 16)
		n, err := s.Wait(dst, timeout)
		for err == waitctx.ErrBusy { // the probe below was inside
			n, err = s.Wait(dst, timeout)
		}
		got <- result{dst[:n], err}
	}()
	for start := time.Now(); time.Since(start) < patience; {
		n, err := s.Wait(make([]waitctx.Event, 1), 0)
		if err == waitctx.ErrBusy {
			return got
		}
		if n != 0 || err != nil {
			s.Fatalf("Wait() = %d, %v, want 0, nil or ErrBusy", n, err)
		}
	}
	s.Fatal("a second Wait was never told ErrBusy")
	return got
}

// gets fails unless a Wait aside comes back with exactly these tokens.
func (s *suite) gets(got <-chan result, tokens ...waitctx.Token) {
	s.Helper()
	res := s.back(got)
	if res.err != nil {
		s.Fatalf("Wait() = %v, want no error", res.err)
	}
	told := make([]waitctx.Token, 0, len(res.events))
	for _, e := range res.events {
		told = append(told, e.Token)
	}
	if fmt.Sprint(told) != fmt.Sprint(tokens) {
		s.Fatalf("Wait told tokens %#x, want %#x", told, tokens)
	}
}

// back waits for a Wait aside to return.
func (s *suite) back(got <-chan result) result {
	s.Helper()
	select {
	case res := <-got:
		return res
	case <-time.After(patience):
		s.Fatal("Wait did not return")
		panic("unreachable")
	}
}
