package pollertest

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"

	"golang.org/x/sys/windows"
)

// handleTests are about what only one system has: here group G.
var handleTests = []subtest{
	{"49 manual-reset event", func(s *suite) {
		e := newEvent(s, true)
		reg := s.add(e.File, readable)
		s.silent()
		e.set()
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
		}
		s.suppress(reg)
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
		e.reset()
		s.silent()
		e.set()
		s.expect(reg, waitctx.ReadyIn)
		s.delete(reg)
		s.silent()
	}},
	{"49 manual-reset event: set and reset before a wait", func(s *suite) {
		e := newEvent(s, true)
		s.add(e.File, readable)
		s.silent()
		e.set()
		e.awaitPosted()
		e.reset()
		s.silent()
	}},
	{"49 auto-reset event is told once for each signal", func(s *suite) {
		e := newEvent(s, false)
		regs := []reg{s.add(e.File, readable), s.add(e.File, readable)}
		s.silent()
		for range 3 {
			e.set()
			told := s.told(regs, 2)
			if told[regs[0].Token] != 1 || told[regs[1].Token] != 1 {
				s.Fatalf("one signal was told %d and %d times, want once to each", told[regs[0].Token], told[regs[1].Token])
			}
			s.silent()
		}
	}},
	{"49 auto-reset event: dst of one", func(s *suite) {
		e := newEvent(s, false)
		regs := []reg{s.add(e.File, readable), s.add(e.File, readable), s.add(e.File, readable)}
		e.set()
		s.expectAll(1, regs...)
		s.silent()
	}},
	{"49 auto-reset event: a signal while suppressed is told after rearm", func(s *suite) {
		e := newEvent(s, false)
		reg := s.add(e.File, readable)
		e.set()
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		e.set()
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
		s.silent()
	}},
	{"49 auto-reset event: signalled while the wait is suppressed and armed", func(s *suite) {
		for range 100 {
			e := newEvent(s, false)
			reg := s.add(e.File, readable)
			s.wait(4, 0) // arms it
			e.set()
			s.suppress(reg)
			for _, ev := range s.wait(4, 0) {
				s.Fatalf("Wait told %s while suppressed", readyString(ev.Ready))
			}
			s.rearm(reg)
			s.expect(reg, waitctx.ReadyIn)
			s.delete(reg)
			e.Close()
		}
	}},
	{"49 semaphore counts", func(s *suite) {
		const n = 3
		h, _, err := procCreateSemaphore.Call(0, n, n, 0)
		if h == 0 {
			s.Fatalf("CreateSemaphore: %v", err)
		}
		reg := s.add(fdtest.New(s, windows.Handle(h)), readable)
		for range n {
			s.expect(reg, waitctx.ReadyIn)
		}
		s.silent()
	}},
	{"49 mutex is refused", func(s *suite) {
		h, err := windows.CreateMutex(nil, false, nil)
		if err != nil {
			s.Fatalf("CreateMutex: %v", err)
		}
		changes := []waitctx.Change{newReg(fdtest.New(s, h).FD(), readable).add()}
		if err := s.Apply(changes); !errors.Is(err, waitctx.ErrNotPollable) {
			s.Errorf("Apply() = %v, want ErrNotPollable", err)
		}
	}},
	{"50 process", func(s *suite) {
		if os.Getenv(childVariable) != "" {
			time.Sleep(time.Hour) // until it is killed
		}
		child := exec.Command(os.Args[0], "-test.run=^"+s.rootName()+"$/^50_process$")
		child.Env = append(os.Environ(), childVariable+"=1")
		if err := child.Start(); err != nil {
			s.Fatal(err)
		}
		h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(child.Process.Pid))
		if err != nil {
			s.Fatalf("OpenProcess: %v", err)
		}
		reg := s.add(fdtest.New(s, h), readable)
		s.silent()
		child.Process.Kill()
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
		}
		child.Wait()
	}},
	{"51 event closed while registered", func(s *suite) {
		e := newEvent(s, true)
		reg := s.add(e.File, readable)
		s.silent()
		other := e.duplicate()
		e.Close()
		s.silent()
		other.set()
		s.expect(reg, waitctx.ReadyIn) // the wait has a handle of its own
		s.delete(reg)
		s.silent()
	}},
	{"51 number of a closed event used again", func(s *suite) {
		e := newEvent(s, false)
		old := s.add(e.File, readable)
		s.silent()
		e.Close()
		next := newEvent(s, false)
		for range 100 {
			if next.Num() == e.Num() {
				break
			}
			next = newEvent(s, false)
		}
		if next.Num() != e.Num() {
			s.Skipf("handle %#x was taken by somebody else before it could be used again", e.Num())
		}
		reg := s.add(next.File, readable)
		s.expect(old, waitctx.ReadyClosed)
		s.delete(old)
		next.set()
		s.expect(reg, waitctx.ReadyIn)
		s.silent()
	}},
	{"52 anonymous pipe", func(s *suite) {
		r, w := fdtest.AnonymousPipe(s)
		reg := s.add(r, readable)
		s.silent()
		w.Write("xy")
		s.expect(reg, waitctx.ReadyIn)
		r.Read(1)
		s.expect(reg, waitctx.ReadyIn)
		s.suppress(reg)
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
		r.Drain()
		s.silent()
		got := s.waitAside(patience)
		w.Write("x")
		s.gets(got, reg.Token)
		s.delete(reg)
		s.silent()
	}},
	{"52 anonymous pipe and sockets", func(s *suite) {
		r, w := fdtest.AnonymousPipe(s)
		w.Write("x")
		regs := []reg{s.add(r, readable)}
		for range 3 {
			a, b := fdtest.Socketpair(s)
			b.Write("x")
			regs = append(regs, s.add(a, readable))
		}
		for range 3 {
			s.expectAll(1, regs...)
		}
	}},
	{"52 anonymous pipe closed while registered", func(s *suite) {
		r, _ := fdtest.AnonymousPipe(s)
		reg := s.add(r, readable)
		s.silent()
		r.Close()
		s.expect(reg, waitctx.ReadyClosed)
		s.silent()
		s.delete(reg)
	}},
	{"52 writing end of an anonymous pipe is refused", func(s *suite) {
		r, w := fdtest.AnonymousPipe(s)
		for _, change := range []waitctx.Change{
			newReg(w.FD(), readable).add(), newReg(w.FD(), writable).add(), newReg(r.FD(), writable).add(),
		} {
			if err := s.Apply([]waitctx.Change{change}); !errors.Is(err, waitctx.ErrNotPollable) {
				s.Errorf("Apply() = %v, want ErrNotPollable", err)
			}
		}
	}},
	{"53 socket closed with its poll outstanding", func(s *suite) {
		for range 20 {
			a, _ := fdtest.Socketpair(s)
			reg := s.add(a, readable)
			s.wait(4, 0) // submits the poll
			a.Close()
			s.expect(reg, waitctx.ReadyClosed)
			s.silent()
			s.delete(reg)
		}
	}},
	{"53 closed with its poll outstanding, and the number used again", func(s *suite) {
		reused := 0
		for round := 0; reused < 3; round++ {
			if round == 20 {
				s.Fatalf("a number was used again %d times in %d rounds", reused, round)
			}
			a, _ := fdtest.Socketpair(s)
			old := s.add(a, readable)
			s.wait(4, 0)
			next, w := fdtest.Socketpair(s)
			b := a.TryReopen(next)
			if b == nil {
				s.delete(old)
				continue
			}
			reused++
			reg := s.add(b, readable)
			s.expect(old, waitctx.ReadyClosed)
			s.silent()
			w.Write("x")
			s.expect(reg, waitctx.ReadyIn)
			s.delete(old)
			s.expect(reg, waitctx.ReadyIn)
			s.delete(reg)
			s.silent()
		}
	}},
	{"54 100 sockets canceled and asked for again", func(s *suite) {
		p := s.on(s.another())
		var files []*fdtest.File
		var regs []reg
		for range 50 {
			a, b := fdtest.Socketpair(s)
			files = append(files, a, b)
		}
		for _, f := range files {
			regs = append(regs, p.add(f, readable))
		}
		for round := range 20 {
			interest := writable
			if round%2 == 1 {
				interest = readable
			}
			for _, r := range regs {
				p.apply(r.modify(interest, r.Token))
			}
			if interest == writable {
				p.expectAll(64, regs...)
			} else {
				p.silent()
			}
		}
		if err := p.Close(); err != nil {
			s.Errorf("Close() = %v, want nil", err)
		}
		if n, ok := p.stat("Outstanding"); !ok || n != 0 {
			s.Errorf("Stats().Outstanding = %d, %v after Close, want 0", n, ok)
		}
	}},
}

const childVariable = "BIDE_POLLERTEST_CHILD"

var (
	kernel32            = windows.NewLazySystemDLL("kernel32.dll")
	procCreateSemaphore = kernel32.NewProc("CreateSemaphoreW")
)

// rootName is the name of the test the suite was called from.
func (s *suite) rootName() string {
	name := s.Name()
	for i := range name {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}

// told waits until n events of regs were told and counts them by token.
func (s *suite) told(regs []reg, n int) map[waitctx.Token]int {
	s.Helper()
	known := make(map[waitctx.Token]bool)
	for _, r := range regs {
		known[r.Token] = true
	}
	told := make(map[waitctx.Token]int)
	for start := time.Now(); n > 0; {
		if time.Since(start) > patience {
			s.Fatalf("%d events were never told", n)
		}
		for _, e := range s.wait(16, patience) {
			if !known[e.Token] {
				s.Fatalf("Wait told token %#x, which is not expected", e.Token)
			}
			told[e.Token]++
			n--
		}
	}
	return told
}

// event is a Windows event.
type event struct {
	*fdtest.File
	t testing.TB
}

func newEvent(s *suite, manual bool) event {
	s.Helper()
	reset := uint32(0)
	if manual {
		reset = 1
	}
	h, err := windows.CreateEvent(nil, reset, 0, nil)
	if err != nil {
		s.Fatalf("CreateEvent: %v", err)
	}
	return event{fdtest.New(s, h), s}
}

func (e event) set() {
	if err := windows.SetEvent(windows.Handle(e.Num())); err != nil {
		e.t.Errorf("SetEvent: %v", err)
	}
}

func (e event) reset() {
	if err := windows.ResetEvent(windows.Handle(e.Num())); err != nil {
		e.t.Errorf("ResetEvent: %v", err)
	}
}

// awaitPosted gives the system time to notice that the event is set, where it
// needs some: that it does not is not the test's concern.
func (e event) awaitPosted() {
	windows.WaitForSingleObject(windows.Handle(e.Num()), 1000)
	time.Sleep(quiet)
}

func (e event) duplicate() event {
	self := windows.CurrentProcess()
	var h windows.Handle
	if err := windows.DuplicateHandle(self, windows.Handle(e.Num()), self, &h, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		e.t.Fatalf("DuplicateHandle: %v", err)
	}
	return event{fdtest.New(e.t, h), e.t}
}
