//go:build unix

package pollertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// stressTests are the second part of group E.
var stressTests = []subtest{
	{"43 numbers reused by many goroutines", func(s *suite) {
		rounds := 500
		if testing.Short() {
			rounds = 100
		}
		st := &stress{suite: s, live: make(map[waitctx.Token]*owner)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			st.deliver()
		}()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := 0; i < rounds && !s.Failed(); i++ {
					st.round()
				}
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil {
			s.Errorf("Close() = %v, want nil", err)
		}
		<-done
	}},
}

// stress has goroutines open, register, delete and close, so that each number
// goes from one to the other, while one goroutine waits for all.
type stress struct {
	*suite
	waits atomic.Int64 // Waits begun

	mu   sync.Mutex
	live map[waitctx.Token]*owner
}

// owner is whoever is to hear of a token.
type owner struct {
	told    chan waitctx.Ready
	deleted int64 // waits begun when the delete had returned; -1 before
}

// deliver waits until the poller is closed. A token may come after its delete
// only from a Wait that had begun before.
func (st *stress) deliver() {
	dst := make([]waitctx.Event, 8)
	for {
		begun := st.waits.Add(1)
		n, err := st.Wait(dst, -1)
		if errors.Is(err, waitctx.ErrClosed) {
			return
		}
		if err != nil {
			st.Errorf("Wait() = %v, want nil or ErrClosed", err)
			return
		}
		for _, e := range dst[:n] {
			st.mu.Lock()
			o := st.live[e.Token]
			switch {
			case o == nil:
				st.Errorf("Wait told token %#x, which was never added", e.Token)
			case o.deleted >= 0 && o.deleted < begun:
				st.Errorf("Wait told token %#x after its delete", e.Token)
			default:
				select {
				case o.told <- e.Ready:
				default:
				}
			}
			st.mu.Unlock()
		}
	}
}

// round is one life of a pipe. Fatal failures would end the wrong goroutine,
// so that it reports and gives up.
func (st *stress) round() {
	r, w, err := fdtest.RawPipe()
	if err != nil {
		st.Errorf("pipe: %v", err)
		return
	}
	defer fdtest.RawClose(r, w)
	reg := newReg(waitctx.FD(r), readable)
	o := &owner{told: make(chan waitctx.Ready, 1), deleted: -1}
	st.mu.Lock()
	st.live[reg.Token] = o
	st.mu.Unlock()
	if err := st.Apply([]waitctx.Change{reg.add()}); err != nil {
		st.Errorf("Apply(add) = %v, want nil", err)
		return
	}
	select {
	case ready := <-o.told:
		st.Errorf("an empty pipe was told %s", readyString(ready))
	default:
	}
	fdtest.RawWrite(w, "x")
	select {
	case ready := <-o.told:
		if ready&waitctx.ReadyIn == 0 {
			st.Errorf("ready = %s, want In", readyString(ready))
		}
	case <-time.After(patience):
		st.Errorf("token %#x was not told", reg.Token)
	}
	if err := st.Apply([]waitctx.Change{reg.delete()}); err != nil {
		st.Errorf("Apply(delete) = %v, want nil", err)
	}
	st.mu.Lock()
	o.deleted = st.waits.Load()
	st.mu.Unlock()
}
