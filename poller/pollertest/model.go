package pollertest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// modelTests compare the poller with poll(2) itself, after random operations.
var modelTests = []subtest{
	{"44 random operations against poll(2)", func(s *suite) {
		seed := uint64(time.Now().UnixNano())
		s.Logf("seed %d", seed)
		m := &model{suite: s, pick: rand.New(rand.NewPCG(seed, 44)).IntN}
		steps := 600
		if testing.Short() {
			steps = 150
		}
		for range steps {
			m.step()
			m.compare()
		}
	}},
}

// model is the state the poller ought to have. What it does next, pick tells.
type model struct {
	*suite
	other *suite // another poller that is told the same; nil to ask poll(2)
	pick  func(n int) int
	files []*fdtest.File
	regs  []*modelReg
}

// modelReg is a registration. Once its descriptor was closed without a delete
// it is stray: backends may go on telling of the old file, of its successor,
// or of nothing, but only until it is deleted.
//
// What a registration for edges has told it need not tell again: only what has
// become ready since, unless the poller had to look anew.
type modelReg struct {
	reg
	suppressed, stray bool
	told              waitctx.Ready // of edges
}

func (m *model) step() {
	if len(m.files) < 4 {
		m.open()
	}
	f := m.files[m.pick(len(m.files))]
	switch m.pick(14) {
	case 0:
		m.open()
	case 1, 2:
		f.TryWrite("data")
	case 3:
		f.Drain()
	case 4:
		f.Fill()
	case 5:
		f.ShutdownWrite()
	case 6:
		m.files = append(m.files, f.Dup())
	case 7:
		m.stray(f)
		f.Close()
	case 8:
		g := m.files[m.pick(len(m.files))]
		if g != f {
			m.stray(f)
			if d := f.TryReopen(g); d != nil {
				m.files = append(m.files, d)
			}
		}
	default:
		m.change(f)
	}
}

// open adds two files, and forgets closed ones.
func (m *model) open() {
	a, b := fdtest.Socketpair(m)
	if m.pick(2) == 0 {
		a.Close()
		b.Close()
		a, b = fdtest.Pipe(m)
	}
	m.files = append(m.files, a, b)
}

// stray notes that a descriptor is going to be closed early.
func (m *model) stray(f *fdtest.File) {
	for i, g := range m.files {
		if g == f {
			m.files = append(m.files[:i], m.files[i+1:]...)
			break
		}
	}
	for _, r := range m.regs {
		if r.FD == f.FD() {
			r.stray = true
		}
	}
}

// change adds a registration of f, or does something to one there is.
func (m *model) change(f *fdtest.File) {
	if len(m.regs) < 3 || m.pick(3) == 0 {
		r := &modelReg{reg: newReg(f.FD(), m.interest())}
		m.apply(r.add())
		m.regs = append(m.regs, r)
		return
	}
	i := m.pick(len(m.regs))
	r := m.regs[i]
	switch op := m.pick(4); {
	case op == 0 || r.stray:
		m.apply(r.delete())
		m.regs = append(m.regs[:i], m.regs[i+1:]...)
	case op == 1:
		r.Interest = m.interest()
		r.Token += 1 << 40
		r.told = 0
		m.apply(r.modify(r.Interest, r.Token))
	case op == 2:
		r.suppressed = true
		for _, s := range m.pollers() {
			s.suppress(r.reg)
		}
	default:
		if r.suppressed {
			r.suppressed, r.told = false, 0
		}
		for _, s := range m.pollers() {
			s.rearm(r.reg)
		}
	}
}

// apply tells all pollers of one change.
func (m *model) apply(c waitctx.Change) {
	m.Helper()
	for _, s := range m.pollers() {
		s.apply(c)
	}
}

func (m *model) pollers() []*suite {
	if m.other == nil {
		return []*suite{m.suite}
	}
	return []*suite{m.suite, m.other}
}

func (m *model) interest() waitctx.Interest {
	return []waitctx.Interest{
		readable, writable, readable | writable, waitctx.Silent,
		readable | edge, writable | edge, readable | writable | edge, waitctx.Silent | edge,
	}[m.pick(8)]
}

// compare fails if the poller does not tell what is ready and only that. If
// poll(2) has changed its mind meanwhile it compares again: where TCP connections
// stand for pipes, what one end does reaches the other in its own time. So it does
// where Wait itself may have changed something.
func (m *model) compare() {
	m.Helper()
	for {
		want := m.want()
		fault := m.differs(want)
		if fault == "" {
			return
		}
		if m.other != nil && !m.mayLetGo() || maps.Equal(want, m.want()) {
			m.Fatal(fault)
		}
	}
}

// differs waits with a short dst until the poller has told everything that it
// ought to, or something else, and says what is wrong.
func (m *model) differs(want map[waitctx.Token]waitctx.Ready) string {
	m.Helper()
	missing := make(map[waitctx.Token]bool)
	told := make(map[waitctx.Token]waitctx.Ready)
	for token := range want {
		missing[token] = true
	}
	for _, r := range m.regs {
		if ready := want[r.Token]; r.Interest&edge != 0 && !r.suppressed {
			if ready&^r.told == 0 {
				delete(missing, r.Token)
			}
			defer func() { r.told = ready }() // the next is measured by it, whatever was told besides
		}
	}
	size := 1 + m.pick(4)
	start := time.Now()
	for round := 0; round < 2*len(m.regs)+2 || m.late(len(missing), start); round++ {
		for _, e := range m.wait(size, 0) {
			if m.isStray(e.Token) || strict(e.Ready) == 0 {
				continue // of what systems do not agree on
			}
			ready, ok := want[e.Token]
			if !ok || !m.agrees(strict(e.Ready), ready) {
				return fmt.Sprintf("Wait told %s of token %#x, want %s",
					readyString(e.Ready), e.Token, readyString(ready))
			}
			if told[e.Token] |= strict(e.Ready); told[e.Token] == ready {
				delete(missing, e.Token)
			}
		}
	}
	for token := range missing {
		return fmt.Sprintf("Wait did not tell %s of token %#x", readyString(want[token]), token)
	}
	return ""
}

func (m *model) isStray(token waitctx.Token) bool {
	return slices.ContainsFunc(m.regs, func(r *modelReg) bool { return r.stray && r.Token == token })
}

// mayLetGo says whether what is ready may change in Wait.
func (m *model) mayLetGo() bool {
	return m.holdsFiles() && slices.ContainsFunc(m.regs, func(r *modelReg) bool { return r.stray })
}

// want is what the other poller tells, or poll(2), but for strays.
func (m *model) want() map[waitctx.Token]waitctx.Ready {
	m.Helper()
	want := make(map[waitctx.Token]waitctx.Ready)
	if m.other != nil {
		for _, e := range m.other.wait(len(m.regs)+1, 0) {
			want[e.Token] = strict(e.Ready)
		}
	} else {
		for _, r := range m.regs {
			if ready := oracle(m.suite, r.reg); ready != 0 && !r.suppressed {
				want[r.Token] = ready
			}
		}
	}
	for _, r := range m.regs {
		if r.stray {
			delete(want, r.Token)
		}
	}
	return want
}

// late says whether to go on waiting for what is missing.
func (m *model) late(missing int, start time.Time) bool {
	return m.cancelsSlowly() && missing > 0 && time.Since(start) < patience
}

// agrees says whether an event may tell just that.
func (m *model) agrees(told, want waitctx.Ready) bool {
	return told == want || m.tellsInParts() && told&^want == 0
}

// strict leaves the bits on which systems agree with their poll(2).
func strict(r waitctx.Ready) waitctx.Ready {
	mask := waitctx.ReadyIn | waitctx.ReadyOut
	if runtime.GOOS == "linux" {
		mask |= waitctx.ReadyErr | waitctx.ReadyHup
	}
	return r & mask
}

// oracle asks poll(2) about one registration, in the contract's terms.
func oracle(s *suite, r reg) waitctx.Ready {
	s.Helper()
	return strict(filter(fdtest.Poll(s, r.FD, r.Interest), r.Interest))
}
