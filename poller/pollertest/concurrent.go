package pollertest

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// concurrencyTests are the first part of group E.
var concurrencyTests = []subtest{
	{"38 Apply, Wait, Wake and Close at once", func(s *suite) {
		for range 20 {
			s.on(s.another()).everythingAtOnce()
		}
	}},
	{"39 a second waiter is busy", func(s *suite) {
		r, w := fdtest.Pipe(s)
		reg := s.add(r, readable)
		got := s.waitAside(patience)
		if n, err := s.Wait(make([]waitctx.Event, 1), patience); n != 0 || !errors.Is(err, waitctx.ErrBusy) {
			s.Errorf("second Wait() = %d, %v, want 0, ErrBusy", n, err)
		}
		w.Write("x")
		s.gets(got, reg.Token)
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"40 close during wait", func(s *suite) {
		for range 20 {
			p := s.on(s.another())
			got := p.waitAside(-1)
			if err := p.Close(); err != nil {
				s.Fatalf("Close() = %v, want nil", err)
			}
			if res := p.back(got); len(res.events) != 0 || !errors.Is(res.err, waitctx.ErrClosed) {
				s.Fatalf("Wait() = %+v, %v, want nothing, ErrClosed", res.events, res.err)
			}
		}
	}},
	{"41 closed twice, and used afterwards", func(s *suite) {
		r, w := fdtest.Pipe(s)
		w.Write("x")
		reg := s.add(r, readable)
		for range 2 {
			if err := s.Close(); err != nil {
				s.Errorf("Close() = %v, want nil", err)
			}
		}
		if n, err := s.Wait(make([]waitctx.Event, 1), -1); n != 0 || !errors.Is(err, waitctx.ErrClosed) {
			s.Errorf("Wait() = %d, %v, want 0, ErrClosed", n, err)
		}
		if err := s.Wake(); !errors.Is(err, waitctx.ErrClosed) {
			s.Errorf("Wake() = %v, want ErrClosed", err)
		}
		changes := []waitctx.Change{newReg(r.FD(), readable).add()}
		if err := s.Apply(changes); !errors.Is(err, waitctx.ErrClosed) || !errors.Is(changes[0].Err, waitctx.ErrClosed) {
			s.Errorf("Apply() = %v with Err %v, want ErrClosed", err, changes[0].Err)
		}
		changes = []waitctx.Change{reg.delete()}
		if err := s.Apply(changes); err != nil || changes[0].Err != nil {
			s.Errorf("Apply(delete) = %v with Err %v, want nil", err, changes[0].Err)
		}
		s.suppress(reg)
		s.rearm(reg)
	}},
	{"42 2000 pollers leak no descriptor", func(s *suite) {
		n := 2000
		if testing.Short() {
			n = 200
		}
		before := len(fdtest.Numbers(s))
		r, w := fdtest.Pipe(s)
		w.Write("x")
		for range n {
			p := s.on(s.open(s.T))
			p.expect(p.add(r, readable), waitctx.ReadyIn)
			if err := p.Close(); err != nil {
				s.Fatalf("Close() = %v, want nil", err)
			}
		}
		if after := len(fdtest.Numbers(s)); after != before+2 {
			s.Errorf("%d descriptors open after %d pollers, want %d", after, n, before+2)
		}
	}},
}

// everythingAtOnce is for the race detector.
func (s *suite) everythingAtOnce() {
	var wg sync.WaitGroup
	r, w := fdtest.Pipe(s)
	w.Write("x")
	s.add(r, readable) // ready all along, so that each Wait has something to tell
	enough := make(chan struct{})
	wg.Go(func() {
		told, reached := 0, sync.OnceFunc(func() { close(enough) })
		defer reached()
		dst := make([]waitctx.Event, 4)
		for {
			n, err := s.Wait(dst, -1)
			if errors.Is(err, waitctx.ErrClosed) {
				return
			}
			if err != nil {
				s.Errorf("Wait() = %v, want nil or ErrClosed", err)
				return
			}
			if told += n; told >= 50 {
				reached()
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for {
				reg := newReg(r.FD(), readable)
				err := s.Apply([]waitctx.Change{reg.add()})
				err = errors.Join(err, s.Apply([]waitctx.Change{reg.modify(readable|writable, reg.Token)}))
				err = errors.Join(err, s.Apply([]waitctx.Change{reg.delete()}))
				if errors.Is(err, waitctx.ErrClosed) {
					return
				}
				if err != nil {
					s.Errorf("Apply() = %v, want nil or ErrClosed", err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Go(func() {
		for s.Wake() == nil {
			runtime.Gosched()
		}
	})
	<-enough
	if err := s.Close(); err != nil {
		s.Errorf("Close() = %v, want nil", err)
	}
	wg.Wait()
}
