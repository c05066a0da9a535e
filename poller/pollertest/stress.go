package pollertest

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// stressTests are the second part of group E, and the one of group G that
// applies to every system.
var stressTests = []subtest{
	{"43 numbers reused by many goroutines", func(s *suite) {
		st := &stress{suite: s, live: make(map[waitctx.Token]*owner)}
		end := time.Now().Add(stressTime(s))
		endings := []ending{deleteThenClose, dupDeleteThenClose, closeThenDelete, dupCloseThenDelete}
		if fdtest.DiesOfReuse() {
			endings = endings[:2]
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			st.deliver()
		}()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := 0; time.Now().Before(end) && !s.Failed(); i++ {
					st.round(endings[i%len(endings)])
				}
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil {
			s.Errorf("Close() = %v, want nil", err)
		}
		<-done
	}},
	{"56 10000 modifies while another goroutine waits", func(s *suite) {
		rounds := 10000
		if testing.Short() {
			rounds = 1000
		}
		a, b := fdtest.Socketpair(s)
		b.Write("x")
		reg := s.add(a, waitctx.Silent)
		var last atomic.Uint64 // token told
		told := make(chan struct{}, 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.follow(&last, told)
		}()
		for range rounds {
			// The waiter is asleep: it has nothing to tell of a silent wait.
			reg.Token++
			s.apply(reg.modify([]waitctx.Interest{readable, writable}[reg.Token%2], reg.Token))
			for timeout := time.After(patience); last.Load() != uint64(reg.Token); {
				select {
				case <-told:
				case <-timeout:
					s.Fatalf("token %#x was not told after its modify; the last one was %#x", reg.Token, last.Load())
				}
			}
			s.apply(reg.modify(waitctx.Silent, reg.Token))
		}
		if err := s.Close(); err != nil {
			s.Errorf("Close() = %v, want nil", err)
		}
		<-done
	}},
}

// follow waits until the poller is closed and keeps the last token told. None
// may come after a later one.
func (s *suite) follow(last *atomic.Uint64, told chan<- struct{}) {
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
		for _, e := range dst[:n] {
			if before := last.Swap(uint64(e.Token)); before > uint64(e.Token) {
				s.Errorf("Wait told token %#x after %#x", e.Token, before)
			}
		}
		select {
		case told <- struct{}{}:
		default:
		}
	}
}

// stressTime is 2 s, or what BIDE_STRESS says.
func stressTime(s *suite) time.Duration {
	s.Helper()
	if text := os.Getenv("BIDE_STRESS"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			s.Fatalf("BIDE_STRESS: %v", err)
		}
		return d
	}
	if testing.Short() {
		return 200 * time.Millisecond
	}
	return 2 * time.Second
}

// stress has goroutines open, register, delete and close, so that each number
// goes from one to the other, while one goroutine waits for all.
type stress struct {
	*suite
	waits atomic.Int64 // Waits begun

	mu      sync.Mutex
	live    map[waitctx.Token]*owner
	deleted []waitctx.Token // of live
}

// owner is whoever is to hear of a token.
type owner struct {
	told    chan waitctx.Ready
	deleted int64 // waits begun when the delete had returned; -1 before
}

// ending is how a round gets rid of its registration.
type ending int

const (
	deleteThenClose ending = iota
	closeThenDelete
	dupCloseThenDelete // the file lives on while its number is free
	dupDeleteThenClose
)

// deliver waits until the poller is closed. A token may come after its delete
// only from a Wait that had begun before.
func (st *stress) deliver() {
	dst := make([]waitctx.Event, 8)
	for {
		st.forget(st.waits.Add(1))
		n, err := st.Wait(dst, -1)
		if errors.Is(err, waitctx.ErrClosed) {
			return
		}
		if err != nil {
			st.Errorf("Wait() = %v, want nil or ErrClosed", err)
			return
		}
		st.mu.Lock()
		for _, e := range dst[:n] {
			o := st.live[e.Token]
			if o == nil {
				st.Errorf("Wait told token %#x, which was never added or is deleted", e.Token)
				continue
			}
			select {
			case o.told <- e.Ready:
			default:
			}
		}
		st.mu.Unlock()
	}
}

// forget drops the tokens that the Wait about to begin must not tell.
func (st *stress) forget(begun int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	kept := st.deleted[:0]
	for _, token := range st.deleted {
		if st.live[token].deleted < begun {
			delete(st.live, token)
		} else {
			kept = append(kept, token)
		}
	}
	st.deleted = kept
}

// round is one life of a pipe. Fatal failures would end the wrong goroutine,
// so that it reports and gives up.
func (st *stress) round(end ending) {
	r, w, err := fdtest.RawPipe()
	if err != nil {
		st.Errorf("pipe: %v", err)
		return
	}
	defer fdtest.RawClose(w)
	reg := newReg(waitctx.FD(r), readable)
	o := &owner{told: make(chan waitctx.Ready, 1), deleted: -1}
	st.mu.Lock()
	st.live[reg.Token] = o
	st.mu.Unlock()
	if err := st.Apply([]waitctx.Change{reg.add()}); err != nil {
		st.Errorf("Apply(add) = %v, want nil", err)
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
	if end == dupCloseThenDelete || end == dupDeleteThenClose {
		if dup, err := fdtest.RawDup(r); err != nil {
			st.Errorf("dup: %v", err)
		} else {
			defer fdtest.RawClose(dup)
		}
	}
	if end == closeThenDelete || end == dupCloseThenDelete {
		fdtest.RawClose(r)
	} else {
		defer fdtest.RawClose(r)
	}
	if err := st.Apply([]waitctx.Change{reg.delete()}); err != nil {
		st.Errorf("Apply(delete) = %v, want nil", err)
	}
	st.mu.Lock()
	o.deleted = st.waits.Load()
	st.deleted = append(st.deleted, reg.Token)
	st.mu.Unlock()
}
