package pollertest

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// wakeTests are the first half of group D.
var wakeTests = []subtest{
	{"30 wake before wait", func(s *suite) {
		s.mustWake()
		start := time.Now()
		if got := s.wait(16, patience); len(got) != 0 || time.Since(start) >= patience {
			s.Fatalf("Wait() = %+v after a wake and %v, want nothing at once", got, time.Since(start))
		}
		s.silent()
	}},
	{"30 wake during wait", func(s *suite) {
		for range 20 {
			got := s.waitAside(-1)
			s.mustWake()
			s.gets(got)
		}
		s.silent()
	}},
	{"30 wake leaves events to be told", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		s.mustWake()
		s.expect(reg, waitctx.ReadyIn)
		s.mustWake()
		if n := len(s.wait(1, patience)); n == 0 {
			s.expect(reg, waitctx.ReadyIn)
		}
	}},
	{"31 ten wakes then block", func(s *suite) {
		for range 10 {
			s.mustWake()
		}
		start := time.Now()
		if got := s.wait(16, patience); len(got) != 0 || time.Since(start) >= patience {
			s.Fatalf("Wait() = %+v after %v, want nothing at once", got, time.Since(start))
		}
		s.silent()
	}},
	{"31 a wake takes no place in dst", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		for range 10 {
			w.Write("x")
			s.mustWake()
			s.expectAll(1, reg)
			r.Drain()
			s.wait(1, 0) // takes the wake, if the event came first
		}
		s.silent()
	}},
	{"32 wake storm with events", func(s *suite) {
		const rounds = 2000
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		var asked, seen atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range rounds {
				asked.Add(1)
				s.Wake()
				for seen.Load() < asked.Load() {
					runtime.Gosched()
				}
				if i%10 == 0 {
					s.Wake()
				}
			}
		}()
		// Each wake comes after a step that this loop has to see: one that is
		// lost leaves it in Wait until patience ends.
		for seen.Load() < rounds {
			start := time.Now()
			if seen.Load()%3 == 0 {
				w.Write("x")
			}
			for _, e := range s.wait(2, patience) {
				if e.Token != reg.Token {
					s.Fatalf("Wait told token %#x, want %#x", e.Token, reg.Token)
				}
				r.Drain()
			}
			if time.Since(start) >= patience {
				s.Fatalf("a wake was lost after %d rounds", seen.Load())
			}
			seen.Store(asked.Load())
		}
		<-done
	}},
	{"33 signals while waiting", func(s *suite) {
		stop := s.signals()
		defer stop()
		for range 5 {
			s.silent()
		}
		for range 50 { // a Wait may sleep otherwise when it has long to go
			s.timed(3 * time.Millisecond)
		}
		for range 50 {
			s.mustWake()
			start := time.Now()
			if got := s.wait(4, patience); len(got) != 0 || time.Since(start) >= patience {
				s.Fatalf("Wait() = %+v after %v, want nothing at once", got, time.Since(start))
			}
		}
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		for range 50 {
			w.Write("x")
			s.expect(reg, waitctx.ReadyIn)
			r.Drain()
		}
	}},
}

// timeTests are the second half of group D.
var timeTests = []subtest{
	{"34 never early, and not very late", func(s *suite) {
		for _, d := range []time.Duration{
			time.Microsecond, 100 * time.Microsecond, 999 * time.Microsecond,
			time.Millisecond, 1500 * time.Microsecond, 20 * time.Millisecond, 50 * time.Millisecond,
		} {
			if took := s.timed(d); took > d+patience/10 {
				s.Errorf("Wait(%v) took %v", d, took)
			}
		}
	}},
	{"35 twice", func(s *suite) {
		start := time.Now()
		s.timed(30 * time.Millisecond)
		s.timed(30 * time.Millisecond)
		if took := time.Since(start); took < 60*time.Millisecond {
			s.Errorf("two waits of 30ms took %v", took)
		}
	}},
	{"36 the longest timeouts block", func(s *suite) {
		for _, d := range []time.Duration{
			math.MaxInt64, math.MaxInt64 - 1, math.MaxInt32 * time.Millisecond,
			math.MaxUint32 * time.Millisecond, math.MaxInt32 * time.Second, 1 << 62, -1, math.MinInt64,
		} {
			got := s.waitAside(d)
			select {
			case res := <-got:
				s.Fatalf("Wait(%d) returned %+v, want it to block", d, res)
			case <-time.After(quiet):
			}
			s.mustWake()
			s.gets(got)
		}
	}},
	{"37 less than a millisecond does not spin", func(s *suite) {
		const rounds, d = 200, 300 * time.Microsecond
		before, start := processorTime(s), time.Now()
		shortest := patience
		for range rounds {
			shortest = min(shortest, s.timed(d))
		}
		if used, took := processorTime(s)-before, time.Since(start); used > took*3/4 {
			s.Errorf("%d waits of %v used %v of processor time in %v", rounds, d, used, took)
		}
		if s.caps.SubMilli && shortest >= time.Millisecond {
			s.Errorf("Wait(%v) took %v at best, with Caps.SubMilli", d, shortest)
		}
	}},
}

func (s *suite) mustWake() {
	s.Helper()
	if err := s.Wake(); err != nil {
		s.Fatalf("Wake() = %v, want nil", err)
	}
}

// timed lets a Wait run into its timeout and returns how long that took.
func (s *suite) timed(d time.Duration) time.Duration {
	s.Helper()
	start := time.Now()
	got := s.wait(4, d)
	took := time.Since(start)
	if len(got) != 0 || took < d {
		s.Fatalf("Wait(%v) = %+v after %v, want nothing and not early", d, got, took)
	}
	return took
}
