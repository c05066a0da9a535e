package iocp

import (
	"math/rand/v2"
	"testing"

	"bide/waitctx"
)

// random does what comes to its mind to a poller over the model, and knows what
// it has to tell.
type random struct {
	client
	m     *model
	pick  func(n int) int
	fds   []waitctx.FD // open
	last  waitctx.FD
	waits []*randomWait
}

type randomWait struct {
	waitctx.Change
	suppressed bool
	stray      bool // its number was closed: nothing is known until it is deleted
}

// Two hundred histories of about a hundred operations. Whatever they were, what is
// ready is told within few Waits, and nothing else.
func TestRandomOperations(t *testing.T) {
	for seed := range uint64(200) {
		m, c := open(t)
		m.wine = seed%2 == 1
		r := &random{client: c, m: m, pick: rand.New(rand.NewPCG(seed, 1)).IntN, last: sock}
		for range 50 {
			for range 1 + r.pick(3) {
				r.step()
			}
			if r.compare(); t.Failed() {
				t.Fatalf("with seed %d", seed)
			}
		}
	}
}

func (r *random) step() {
	if len(r.fds) < 3 {
		r.open()
	}
	fd := r.fds[r.pick(len(r.fds))]
	switch r.pick(12) {
	case 0, 1:
		if len(r.fds) > 4 {
			return // of few numbers more happens to each
		}
		r.last += 4
		r.m.dup(r.last, fd)
		r.fds = append(r.fds, r.last)
	case 2:
		r.stray(fd)
		r.m.closeSocket(fd)
		if r.pick(2) == 0 {
			r.fds = append(r.fds, fd)
			r.m.socket(fd) // the number's next owner
		}
	case 3:
		if r.m.late = !r.m.late; !r.m.late {
			r.m.release()
		}
	case 4, 5, 6:
		bits := []uint32{afdReceive, afdSend, afdDisconnect, afdAbort, afdReceive, afdSend}
		r.m.set(fd, bits[r.pick(len(bits))]|bits[r.pick(len(bits))]&uint32(-r.pick(2)))
	case 7:
		r.m.set(fd, 0)
	default:
		r.change(fd)
	}
}

func (r *random) open() {
	r.last += 4
	r.m.socket(r.last)
	r.fds = append(r.fds, r.last)
}

// stray notes that a number is going to be closed early.
func (r *random) stray(fd waitctx.FD) {
	for i := range r.fds {
		if r.fds[i] == fd {
			r.fds = append(r.fds[:i], r.fds[i+1:]...)
			break
		}
	}
	for _, w := range r.waits {
		w.stray = w.stray || w.FD == fd
	}
}

// change adds a wait for fd, or does something to one there is.
func (r *random) change(fd waitctx.FD) {
	interest := []waitctx.Interest{
		waitctx.Readable, waitctx.Writable, waitctx.Readable | waitctx.Writable, waitctx.Silent,
	}[r.pick(4)]
	if len(r.waits) < 3 || r.pick(3) == 0 {
		r.waits = append(r.waits, &randomWait{Change: r.add(fd, interest)})
		return
	}
	i := r.pick(len(r.waits))
	w := r.waits[i]
	switch op := r.pick(4); {
	case op == 0 || w.stray:
		r.delete(w.Change)
		r.waits = append(r.waits[:i], r.waits[i+1:]...)
	case op == 1:
		w.Interest = interest
		r.modify(w.Change, interest)
	case op == 2:
		w.suppressed = true
		r.Suppress(w.FD, w.ID)
	default:
		w.suppressed = false
		r.Rearm(w.FD, w.ID)
	}
}

// compare waits with a short dst until everything ready was told.
func (r *random) compare() {
	r.t.Helper()
	want, stray := make(map[waitctx.Token]waitctx.Ready), make(map[waitctx.Token]bool)
	for _, w := range r.waits {
		if w.stray {
			stray[w.Token] = true
		} else if ready := readyOf(r.m.sockets[w.FD].ready&maskOf(w.Interest), w.Interest); ready != 0 && !w.suppressed {
			want[w.Token] = ready
		}
	}
	told := make(map[waitctx.Token]bool)
	dst := make([]waitctx.Event, 1+r.pick(4))
	for range 2*len(r.waits) + 2 {
		n, err := r.Wait(dst, 0)
		if err != nil {
			r.t.Fatalf("Wait() = %d, %v, want no error", n, err)
		}
		for _, e := range dst[:n] {
			if told[e.Token] = true; e.Ready != want[e.Token] && !stray[e.Token] {
				r.t.Errorf("Wait told %b of token %#x, want %b", e.Ready, e.Token, want[e.Token])
			}
		}
	}
	for token, ready := range want {
		if !told[token] && len(r.m.held) == 0 {
			r.t.Errorf("Wait did not tell %b of token %#x", ready, token)
		}
	}
}
