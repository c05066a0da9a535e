package waitctx

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var errRefused = errors.New("refused")

const (
	fewKeys  = 14  // beyond the number from which keys are found by a map
	manyKeys = 200 // beyond the number from which an emptied context shrinks
)

// model is the same thing done naively: a list of every registration made.
type model struct {
	t       testing.TB
	c       WaitCtx
	keys    int
	regs    []*modelReg
	errs    map[int]error
	told    []Change   // what the last Changes returned
	ran     map[ID]int // cleanups that ran
	want    map[ID]int // and those that should have
	bound   bool
	base    Token
	binds   int      // how often Bind succeeded
	heard   consumer // that the context is bound to
	closed  bool
	checked int // steps since the last check of everything
}

// consumer notes that it was told of something to report.
type consumer struct{ told bool }

func (c *consumer) Changed() { c.told = true }

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

	kernelBinds int // the value of binds when the token the kernel holds was told
	shownBinds  int // and that of the last add or modify handed out
}

func newModel(t testing.TB, keys int) *model {
	return &model{t: t, keys: keys, errs: make(map[int]error), ran: make(map[ID]int), want: make(map[ID]int)}
}

func (m *model) live(key int) *modelReg {
	for _, r := range m.regs {
		if r.key == key && !r.gone {
			return r
		}
	}
	return nil
}

func (m *model) byID(id ID) *modelReg {
	for _, r := range m.regs {
		if r.id == id {
			return r
		}
	}
	m.t.Fatalf("Changes told of ID %d, which is not registered", id)
	return nil
}

// forget ends a registration; its cleanup, if one is due, must have run.
func (m *model) forget(r *modelReg, cleanup bool) {
	m.regs = slices.DeleteFunc(m.regs, func(x *modelReg) bool { return x == r })
	if cleanup {
		m.want[r.id]++
	}
}

func (m *model) wait(key int, fd FD, i Interest, id *ID) Wait {
	return Wait{FD: fd, Interest: i, Kind: File, Cleanup: func(k any, w Wait) {
		m.ran[*id]++
		if k != key || w.FD != fd || m.c.ID(key) == *id {
			m.t.Fatalf("cleanup of key %d, fd %d got key %v, fd %d; still set: %v", key, fd, k, w.FD, m.c.ID(key) == *id)
		}
	}}
}

// drop is Clear or Release of r.
func (m *model) drop(r *modelReg, cleanup bool) {
	r.gone, r.cleanup = true, cleanup
	if !r.offered {
		m.forget(r, cleanup)
	}
}

// The operations of step.
const (
	opSet = iota
	_     // so is each unnamed one
	_
	_
	opClear
	opRelease
	opInterest
	opReplace
	opChanges
	opChangesTwice
	opAck
	_
	opBind
	opUnbind
	opClose
	opCount
)

// step does one operation on both.
func (m *model) step(op, key, arg byte) {
	m.t.Helper()
	k := int(key) % m.keys
	r := m.live(k)
	op %= opCount
	news := !m.c.Dirty() || op == opAck || op == opAck+1 || op == opBind && !m.bound
	m.heard.told = false
	switch op {
	default:
		m.set(k, r, arg)
	case opReplace:
		m.replace(k, r, arg)
	case opInterest:
		m.interest(k, r, Interest(arg%32))
	case opClear:
		delete(m.errs, k)
		w, ok := m.c.Clear(k)
		if ok != (r != nil) || ok && (w.FD != r.fd || w.Interest != r.want) {
			m.t.Fatalf("Clear(%d) = fd %d, interest %d, %v", k, w.FD, w.Interest, ok)
		}
		if r != nil {
			m.drop(r, false)
		}
	case opRelease:
		delete(m.errs, k)
		if ok := m.c.Release(k); ok != (r != nil) {
			m.t.Fatalf("Release(%d) = %v, want %v", k, ok, r != nil)
		}
		if r != nil {
			m.drop(r, true)
		}
	case opChanges:
		m.changes()
	case opChangesTwice:
		m.changes()
		m.changes()
	case opAck, opAck + 1:
		m.ack(arg)
	case opBind:
		m.bind(Token(1+arg) << placeBits)
	case opUnbind:
		m.c.Unbind()
		m.bound = false
	case opClose:
		if arg < 8 {
			m.close()
		}
	}
	if m.bound && news && m.c.Dirty() && !m.heard.told {
		m.t.Fatalf("operation %d left something to report, and did not tell the consumer", op)
	}
	if m.checked++; m.keys <= fewKeys || m.checked >= 50 {
		m.check()
	}
}

// refused is the error that Set, Replace and SetInterest give, if any.
func (m *model) refused(r *modelReg, want bool, err error) error {
	switch {
	case m.closed:
		return ErrClosed
	case want != (r != nil):
		return err
	}
	return nil
}

func (m *model) set(k int, r *modelReg, arg byte) {
	m.t.Helper()
	id, i := new(ID), Interest(arg%32)
	err, want := m.c.Set(k, m.wait(k, FD(arg%5), i, id)), m.refused(r, false, ErrKeyExists)
	if err != want {
		m.t.Fatalf("Set(%d) = %v, want %v", k, err, want)
	}
	if err == nil {
		m.added(k, FD(arg%5), i, id)
	}
}

func (m *model) replace(k int, r *modelReg, arg byte) {
	m.t.Helper()
	id, i := new(ID), Interest(arg%32)
	old, err := m.c.Replace(k, m.wait(k, FD(arg%5), i, id))
	if want := m.refused(r, true, ErrNoKey); err != want {
		m.t.Fatalf("Replace(%d) = %v, want %v", k, err, want)
	}
	if err != nil {
		return
	}
	if old.FD != r.fd || old.Interest != r.want {
		m.t.Fatalf("Replace(%d) = fd %d, interest %d, want %d, %d", k, old.FD, old.Interest, r.fd, r.want)
	}
	m.drop(r, false)
	m.added(k, FD(arg%5), i, id)
}

// orReadable is what an interest that asks for nothing means.
func orReadable(i Interest) Interest {
	if i == 0 || i == Edge {
		return i | Readable
	}
	return i
}

func (m *model) added(k int, fd FD, i Interest, id *ID) {
	*id = m.c.ID(k)
	m.regs = append(m.regs, &modelReg{key: k, id: *id, fd: fd, want: orReadable(i)})
	delete(m.errs, k)
}

func (m *model) interest(k int, r *modelReg, i Interest) {
	m.t.Helper()
	err, want := m.c.SetInterest(k, i), m.refused(r, true, ErrNoKey)
	if err != want {
		m.t.Fatalf("SetInterest(%d) = %v, want %v", k, err, want)
	}
	if err == nil {
		r.want = orReadable(i)
	}
}

func (m *model) bind(base Token) {
	m.t.Helper()
	err := m.c.Bind(base, &m.heard)
	if (err == ErrBusy) != m.bound || err != nil && err != ErrBusy {
		m.t.Fatalf("Bind() = %v, bound: %v", err, m.bound)
	}
	if err == nil {
		m.bound, m.base = true, base
		m.binds++
	}
}

func (m *model) close() {
	m.c.Close()
	m.closed = true
	for _, r := range slices.Clone(m.regs) {
		if !r.gone {
			m.drop(r, true)
		}
	}
}

// changes compares the difference with that of the naive list.
func (m *model) changes() {
	m.t.Helper()
	dirty := m.c.Dirty()
	before := Change{FD: 12345}
	got := m.c.Changes([]Change{before})
	if got[0] != before {
		m.t.Fatalf("Changes overwrote what was in dst: %+v", got[0])
	}
	m.told = got[1:]
	if !dirty && len(m.told) != 0 {
		m.t.Fatalf("not dirty, but Changes returned %v", m.told)
	}
	want := make(map[ID]Op)
	for _, r := range m.regs {
		switch {
		case r.gone:
			want[r.id] = OpDelete
		case r.kernel == 0:
			want[r.id] = OpAdd
		case r.want != r.kernel || r.shown != r.kernel || r.kernelBinds != m.binds:
			want[r.id] = OpModify
		}
	}
	last, tokens := OpDelete, make(map[Token]bool)
	for _, c := range m.told {
		if want[c.ID] != c.Op || c.Op < last || tokens[c.Token] {
			m.t.Fatalf("Changes: %+v, want op %d, not before %d, and a token of its own", c, want[c.ID], last)
		}
		last, tokens[c.Token] = c.Op, true
		delete(want, c.ID)
		m.change(c)
	}
	if len(want) != 0 {
		m.t.Fatalf("Changes left out %v", want)
	}
}

// change compares one change with its registration.
func (m *model) change(c Change) {
	m.t.Helper()
	r := m.byID(c.ID)
	if c.FD != r.fd || c.Kind != File || c.Interest != r.want || c.Err != nil {
		m.t.Fatalf("Changes: %+v, want fd %d, interest %d", c, r.fd, r.want)
	}
	if c.Op != OpDelete {
		r.offered, r.shown, r.shownBinds = true, r.want, m.binds
	}
	key, id, w, ok := m.c.Find(c.Token)
	if !m.bound {
		if c.Token != Token(c.ID) || ok {
			m.t.Fatalf("token %#x of ID %d in an unbound context; found: %v", c.Token, c.ID, ok)
		}
		return
	}
	if c.Token&^placeMask != m.base || ok == r.gone || ok && (key != r.key || id != r.id || w.FD != r.fd) {
		m.t.Fatalf("Find(%#x) = key %v, ID %d, fd %d, %v; want key %d, ID %d", c.Token, key, id, w.FD, ok, r.key, r.id)
	}
	lid, fd, lok := m.c.Lookup(c.Token)
	if lok != ok || ok && (lid != id || fd != r.fd) {
		m.t.Fatalf("Lookup(%#x) = ID %d, fd %d, %v", c.Token, lid, fd, lok)
	}
}

// ack acknowledges what was told. With an even arg all of it, else but for the
// changes that the higher bits select and one nobody was told of.
func (m *model) ack(arg byte) {
	m.t.Helper()
	bad := make(map[ID]bool)
	var failed []Change
	if arg&1 != 0 {
		failed = append(failed, Change{Op: OpAdd, ID: ^ID(0), Err: errRefused})
		for i, c := range m.told {
			if arg>>(1+i%7)&1 != 0 {
				c.Err, bad[c.ID] = errRefused, true
				failed = append(failed, c)
			}
		}
	}
	m.c.Ack(failed...)
	for _, c := range m.told {
		i := slices.IndexFunc(m.regs, func(r *modelReg) bool { return r.id == c.ID })
		if i < 0 {
			m.t.Fatalf("Ack of ID %d, which is not registered", c.ID)
		}
		r := m.regs[i]
		if bad[c.ID] && !r.gone {
			m.errs[r.key] = errRefused
		}
		switch {
		case c.Op == OpDelete && !bad[c.ID]:
			m.forget(r, r.cleanup)
		case c.Op == OpDelete: // stays pending
		case c.Op == OpAdd && bad[c.ID]:
			m.forget(r, !r.gone || r.cleanup)
		case bad[c.ID]:
			if r.want == r.shown {
				r.want = r.kernel
			}
			r.shown, r.kernelBinds = r.kernel, r.shownBinds
		default:
			r.kernel, r.kernelBinds = r.shown, r.shownBinds
		}
	}
	m.told = nil
}

// check compares what is visible.
func (m *model) check() {
	m.t.Helper()
	m.checked = 0
	live := make(map[int]*modelReg)
	for _, r := range m.regs {
		if !r.gone {
			live[r.key] = r
		}
	}
	for k := range m.keys {
		w, ok := m.c.Get(k)
		r := live[k]
		if ok != (r != nil) || ok && (w.FD != r.fd || w.Interest != r.want || m.c.ID(k) != r.id) {
			m.t.Fatalf("Get(%d) = fd %d for %d, %v, want %+v", k, w.FD, w.Interest, ok, r)
		}
		if m.c.Err(k) != m.errs[k] {
			m.t.Fatalf("Err(%d) = %v, want %v", k, m.c.Err(k), m.errs[k])
		}
	}
	all := 0
	for k, w := range m.c.All() {
		if r := live[k.(int)]; r == nil || w.FD != r.fd {
			m.t.Fatalf("All yields key %v, fd %d, want %+v", k, w.FD, r)
		}
		all++
	}
	if m.c.Len() != len(live) || all != len(live) || m.c.Closed() != m.closed {
		m.t.Fatalf("Len() = %d, All yields %d, want %d", m.c.Len(), all, len(live))
	}
	if !maps.Equal(m.ran, m.want) {
		m.t.Fatalf("cleanups by ID %v, want %v", m.ran, m.want)
	}
}

// finish closes the context: everything told is deleted, and every cleanup ran.
func (m *model) finish() {
	m.t.Helper()
	m.close()
	m.changes()
	m.ack(0)
	m.check()
	m.c.Unbind()
	if len(m.regs) != 0 || m.c.Dirty() || !m.c.Reset() {
		m.t.Fatalf("after Close %d registrations are left, dirty %v", len(m.regs), m.c.Dirty())
	}
}

func TestAgainstModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, size := range []struct{ keys, runs, steps int }{{fewKeys, 400, 200}, {manyKeys, 20, 1500}} {
		for range size.runs {
			m := newModel(t, size.keys)
			for range size.steps {
				m.step(byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()))
			}
			m.finish()
		}
	}
}
