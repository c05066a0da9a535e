package waitctx

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

var errRefused = errors.New("refused")

// model is the same thing done naively: a list of every registration made.
type model struct {
	t    testing.TB
	c    WaitCtx
	regs []*modelReg
	errs map[int]error
	told []Change // what the last Changes returned
	ran  map[ID]int
}

type modelReg struct {
	key     int
	id      ID
	fd      FD
	want    Interest
	kernel  Interest // acknowledged, 0 before
	shown   Interest // in the last add or modify handed out
	offered bool     // handed out at least once
	gone    bool
	cleanup bool // due when the delete is acknowledged
}

func newModel(t testing.TB) *model {
	return &model{t: t, errs: make(map[int]error), ran: make(map[ID]int)}
}

func (m *model) live(key int) *modelReg {
	for _, r := range m.regs {
		if r.key == key && !r.gone {
			return r
		}
	}
	return nil
}

func (m *model) forget(r *modelReg) {
	for i, x := range m.regs {
		if x == r {
			m.regs = append(m.regs[:i], m.regs[i+1:]...)
			return
		}
	}
}

// cleaned expects that the cleanup of r has run as often as it should.
func (m *model) cleaned(r *modelReg, want int) {
	m.t.Helper()
	if got := m.ran[r.id]; got != want {
		m.t.Fatalf("cleanup of key %d ran %d times, want %d", r.key, got, want)
	}
}

func (m *model) wait(fd FD, i Interest, id *ID) Wait {
	return Wait{FD: fd, Interest: i, Cleanup: func(key any, w Wait) { m.ran[*id]++ }}
}

// drop is Clear or Release of r.
func (m *model) drop(r *modelReg, cleanup bool) {
	r.gone, r.cleanup = true, cleanup
	if !r.offered {
		m.forget(r)
		if cleanup {
			m.cleaned(r, 1)
		}
	}
}

// step does one operation on both.
func (m *model) step(op, key, arg byte) {
	m.t.Helper()
	k := int(key % 14) // beyond the number from which keys are found by a map
	fd, i := FD(arg%5), Interest(1+arg%15)
	r := m.live(k)
	switch op % 10 {
	case 0, 1, 2:
		id := new(ID)
		err := m.c.Set(k, m.wait(fd, i, id))
		if r != nil {
			if err != ErrKeyExists {
				m.t.Fatalf("Set(%d) = %v, want ErrKeyExists", k, err)
			}
			return
		}
		if err != nil {
			m.t.Fatalf("Set(%d) = %v, want nil", k, err)
		}
		*id = m.c.ID(k)
		m.regs = append(m.regs, &modelReg{key: k, id: *id, fd: fd, want: i})
		delete(m.errs, k)
	case 3:
		w, ok := m.c.Clear(k)
		if ok != (r != nil) || ok && w.FD != r.fd {
			m.t.Fatalf("Clear(%d) = fd %d, %v", k, w.FD, ok)
		}
		if r != nil {
			m.drop(r, false)
		}
	case 4:
		if ok := m.c.Release(k); ok != (r != nil) {
			m.t.Fatalf("Release(%d) = %v, want %v", k, ok, r != nil)
		}
		if r != nil {
			m.drop(r, true)
		}
	case 5:
		err := m.c.SetInterest(k, i)
		if r == nil && err != ErrNoKey || r != nil && err != nil {
			m.t.Fatalf("SetInterest(%d) = %v", k, err)
		}
		if r != nil {
			r.want = i
		}
	case 6:
		id := new(ID)
		_, err := m.c.Replace(k, m.wait(fd, i, id))
		if r == nil {
			if err != ErrNoKey {
				m.t.Fatalf("Replace(%d) = %v, want ErrNoKey", k, err)
			}
			return
		}
		m.drop(r, false)
		*id = m.c.ID(k)
		m.regs = append(m.regs, &modelReg{key: k, id: *id, fd: fd, want: i})
		delete(m.errs, k)
	case 7, 8:
		m.changes()
	case 9:
		m.ack(arg)
	}
	m.check()
}

// changes compares the difference with that of the naive list.
func (m *model) changes() {
	m.t.Helper()
	m.told = m.c.Changes(nil)
	want := make(map[ID]Op)
	for _, r := range m.regs {
		switch {
		case r.gone:
			want[r.id] = OpDelete
		case r.kernel == 0:
			want[r.id] = OpAdd
		case r.want != r.kernel || r.shown != r.kernel:
			want[r.id] = OpModify
		}
		if op := want[r.id]; op == OpAdd || op == OpModify {
			r.offered, r.shown = true, r.want
		}
	}
	last := OpDelete
	for _, c := range m.told {
		if want[c.ID] != c.Op {
			m.t.Fatalf("Changes: op %d of ID %d, want %d", c.Op, c.ID, want[c.ID])
		}
		if c.Op < last {
			m.t.Fatalf("Changes: op %d after %d", c.Op, last)
		}
		last = c.Op
		delete(want, c.ID)
	}
	if len(want) != 0 {
		m.t.Fatalf("Changes left out %v", want)
	}
}

// ack acknowledges all but every third of what was told, if arg says so.
func (m *model) ack(arg byte) {
	m.t.Helper()
	var failed []Change
	for i, c := range m.told {
		if arg%4 == 0 && i%3 == 0 {
			c.Err = errRefused
			failed = append(failed, c)
		}
	}
	m.c.Ack(failed...)
	bad := make(map[ID]bool)
	for _, c := range failed {
		bad[c.ID] = true
	}
	for _, c := range m.told {
		var r *modelReg
		for _, x := range m.regs {
			if x.id == c.ID {
				r = x
			}
		}
		if bad[c.ID] && !r.gone {
			m.errs[r.key] = errRefused
		}
		switch {
		case c.Op == OpDelete && !bad[c.ID]:
			m.forget(r)
			if r.cleanup {
				m.cleaned(r, 1)
			} else {
				m.cleaned(r, 0)
			}
		case c.Op == OpAdd && bad[c.ID]:
			m.forget(r)
			if !r.gone || r.cleanup {
				m.cleaned(r, 1)
			} else {
				m.cleaned(r, 0)
			}
		case c.Op == OpModify && bad[c.ID]:
			if r.want == r.shown {
				r.want = r.kernel
			}
			r.shown = r.kernel
		case c.Op != OpDelete:
			r.kernel = r.shown
		}
	}
	m.told = nil
}

// check compares what is visible.
func (m *model) check() {
	m.t.Helper()
	n := 0
	for _, r := range m.regs {
		if r.gone {
			continue
		}
		n++
		w, ok := m.c.Get(r.key)
		if !ok || w.FD != r.fd || w.Interest != r.want || m.c.ID(r.key) != r.id {
			m.t.Fatalf("Get(%d) = fd %d for %d, %v, want fd %d for %d", r.key, w.FD, w.Interest, ok, r.fd, r.want)
		}
	}
	all := 0
	for range m.c.All() {
		all++
	}
	if m.c.Len() != n || all != n {
		m.t.Fatalf("Len() = %d, All yields %d, want %d", m.c.Len(), all, n)
	}
	for k := range 14 {
		if m.live(k) == nil && m.c.Err(k) != m.errs[k] {
			m.t.Fatalf("Err(%d) = %v, want %v", k, m.c.Err(k), m.errs[k])
		}
	}
}

// finish closes the context: everything told is deleted, and every cleanup ran.
func (m *model) finish() {
	m.t.Helper()
	m.c.Close()
	for _, r := range append([]*modelReg(nil), m.regs...) {
		if !r.gone {
			m.drop(r, true)
		}
	}
	m.changes()
	m.ack(1)
	if len(m.regs) != 0 || m.c.Dirty() || !m.c.Reset() {
		m.t.Fatalf("after Close %d registrations are left, dirty %v", len(m.regs), m.c.Dirty())
	}
}

func TestAgainstModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		m := newModel(t)
		for range 200 {
			m.step(byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()))
		}
		m.finish()
	}
}

func FuzzWaitCtx(f *testing.F) {
	f.Add([]byte{0, 1, 2, 7, 0, 0, 3, 1, 0, 7, 0, 0, 9, 0, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := newModel(t)
		for ; len(ops) >= 3; ops = ops[3:] {
			m.step(ops[0], ops[1], ops[2])
		}
		m.finish()
	})
}
