package pollertest

import (
	"errors"
	"runtime"
	"time"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// statusTests are group C: hang-up, errors, and files that are no streams.
var statusTests = []subtest{
	{"19 pipe writer closed", func(s *suite) {
		r, w := fdtest.AnonymousPipe(s)
		reg := s.add(r, readable)
		w.Close()
		s.expect(reg, waitctx.ReadyIn|waitctx.ReadyHup)
	}},
	{"19 pipe writer closed with data left", func(s *suite) {
		r, w := fdtest.AnonymousPipe(s)
		reg := s.add(r, readable)
		w.Write("x")
		w.Close()
		s.expect(reg, waitctx.ReadyIn)
		if got := r.Read(8); got != "x" {
			s.Errorf("read = %q, want x", got)
		}
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"20 pipe reader closed", func(s *suite) {
		if runtime.GOOS == "windows" {
			s.Skip("the writing end of a pipe cannot be polled")
		}
		r, w := fdtest.Pipe(s)
		w.Fill()
		reg := s.add(w, writable)
		s.silent()
		r.Close()
		s.expect(reg, waitctx.ReadyOut|waitctx.ReadyErr)
	}},
	{"20 pipe reader closed before the add", func(s *suite) {
		if runtime.GOOS == "windows" {
			s.Skip("the writing end of a pipe cannot be polled")
		}
		r, w := fdtest.Pipe(s)
		r.Close()
		reg := s.add(w, writable)
		for range 2 {
			s.expect(reg, waitctx.ReadyOut|waitctx.ReadyErr)
		}
		s.suppress(reg)
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyOut|waitctx.ReadyErr)
		s.delete(reg)
		s.silent()
	}},
	{"21 peer shut down writing", func(s *suite) {
		a, b := fdtest.TCP(s)
		reg := s.add(a, readable)
		b.Write("x")
		if err := b.ShutdownWrite(); err != nil {
			s.Fatalf("shutdown: %v", err)
		}
		want := waitctx.ReadyIn
		if s.seesLastByte() {
			want |= waitctx.ReadyRdHup
		}
		if fdtest.HidesEnd(s) {
			s.expect(reg, waitctx.ReadyIn)
		} else {
			s.expect(reg, want)
		}
		if got := a.Read(8); got != "x" {
			s.Errorf("read = %q, want the data before the end", got)
		}
		s.expect(reg, want)
		if got := a.Read(8); got != "" {
			s.Errorf("read = %q, want the end", got)
		}
	}},
	{"21 peer shut down writing, and full: not writable", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		reg := s.add(a, readable|writable)
		if err := b.ShutdownWrite(); err != nil {
			s.Fatalf("shutdown: %v", err)
		}
		a.Fill()
		for range 2 {
			if got := s.expect(reg, waitctx.ReadyIn); strict(got) != waitctx.ReadyIn {
				s.Errorf("ready = %s, want In without Out and hang-up", readyString(got))
			}
			if got := oracle(s, reg); got != waitctx.ReadyIn {
				s.Errorf("poll(2) says %s, want In", readyString(got))
			}
		}
	}},
	{"22 connection reset", func(s *suite) {
		a, b := fdtest.TCP(s)
		reg := s.add(a, readable)
		b.Reset()
		got := s.expect(reg, waitctx.ReadyIn)
		if got&(waitctx.ReadyErr|waitctx.ReadyHup) == 0 {
			s.Errorf("ready = %s after a reset, want Err or Hup", readyString(got))
		}
	}},
	{"23 connect refused", func(s *suite) {
		l, addr := fdtest.Listen(s)
		l.Close()
		c := fdtest.Socket(s)
		if c.Connect(addr) {
			s.Skip("refused at once")
		}
		s.expect(s.add(c, writable), waitctx.ReadyOut|waitctx.ReadyErr)
		if is, err := c.Refused(); !is {
			s.Errorf("SO_ERROR = %v, want ECONNREFUSED", err)
		}
	}},
	{"23 connect done", func(s *suite) {
		l, addr := fdtest.Listen(s)
		accept := s.add(l, readable)
		c := fdtest.Socket(s)
		if c.Connect(addr) {
			s.Fatal("connect: refused")
		}
		s.expect(accept, waitctx.ReadyIn)
		s.delete(accept)
		if got := s.expect(s.add(c, writable), waitctx.ReadyOut); got&waitctx.ReadyErr != 0 {
			s.Errorf("ready = %s after connect, want Out", readyString(got))
		}
	}},
	{"24 hang-up of a silent wait is told", func(s *suite) {
		a, b := fdtest.Socketpair(s)
		reg := s.add(a, waitctx.Silent)
		b.Write("x")
		s.silent()
		b.HangUp()
		s.expect(reg, waitctx.ReadyHup)
	}},
	{"24 hung up and suppressed: no spin", func(s *suite) {
		for _, i := range []waitctx.Interest{waitctx.Silent, readable, writable} {
			a, b := fdtest.Socketpair(s)
			reg := s.add(a, i)
			b.HangUp()
			s.expect(reg, waitctx.ReadyHup)
			s.suppress(reg)
			s.silent()
			s.idle(100 * time.Millisecond)
			s.rearm(reg)
			s.expect(reg, waitctx.ReadyHup)
			s.delete(reg)
		}
	}},
	{"25 regular file", func(s *suite) { s.file(fdtest.RegularFile) }},
	{"25 directory", func(s *suite) { s.file(fdtest.Directory) }},
	{"25 null device", func(s *suite) {
		reg := newReg(fdtest.Open(s, fdtest.NullDevice).FD(), readable)
		err := s.Apply([]waitctx.Change{reg.add()})
		if errors.Is(err, waitctx.ErrNotPollable) && s.caps.Files == waitctx.RejectFiles {
			return // Linux has no poll method for it
		}
		if err != nil {
			s.Fatalf("Apply() = %v, want nil", err)
		}
		s.expect(reg, waitctx.ReadyIn)
	}},
	{"25 Caps of a Unix", func(s *suite) {
		c := s.Caps()
		if waitables := runtime.GOOS == "windows"; c.Name == "" || c.Waitables != waitables || !c.Pipes {
			s.Errorf("Caps() = %+v, want a name, waitables %v, pipes", c, waitables)
		}
		if err := s.Close(); err != nil {
			s.Errorf("Close() = %v, want nil", err)
		}
		if again := s.Caps(); again != c {
			s.Errorf("Caps() = %+v after Close, want %+v as before", again, c)
		}
	}},
	{"26 bad descriptor fails alone", func(s *suite) {
		r, w := fdtest.Pipe(s)
		gone, _ := fdtest.Pipe(s)
		gone.Close()
		good := newReg(r.FD(), readable)
		changes := []waitctx.Change{
			newReg(gone.FD(), readable).add(),
			newReg(waitctx.BadFD, readable).add(),
			newReg(fdtest.WildFD, writable).add(),
			good.add(),
		}
		if err := s.Apply(changes); !errors.Is(err, fdtest.EBADF) {
			s.Errorf("Apply() = %v, want EBADF", err)
		}
		for _, c := range changes[:3] {
			if !errors.Is(c.Err, fdtest.EBADF) {
				s.Errorf("Err of descriptor %d = %v, want EBADF", int(c.FD), c.Err)
			}
		}
		if changes[3].Err != nil {
			s.Errorf("Err of the good descriptor = %v, want nil", changes[3].Err)
		}
		w.Write("x")
		s.expect(good, waitctx.ReadyIn)
	}},
	{"26 what failed is not held", func(s *suite) {
		gone, _ := fdtest.Pipe(s)
		gone.Close()
		bad := newReg(gone.FD(), readable)
		if err := s.Apply([]waitctx.Change{bad.add()}); !errors.Is(err, fdtest.EBADF) {
			s.Errorf("Apply() = %v, want EBADF", err)
		}
		if err := s.Apply([]waitctx.Change{bad.delete()}); !errors.Is(err, waitctx.ErrNotFound) {
			s.Errorf("Apply() of its delete = %v, want ErrNotFound", err)
		}
	}},
	{"26 what failed is not held for the changes that follow", func(s *suite) {
		gone, _ := fdtest.Pipe(s)
		s.delete(s.add(gone, readable)) // so that the number is known
		gone.Close()
		bad := newReg(gone.FD(), readable)
		changes := []waitctx.Change{bad.add(), bad.modify(writable, 1), bad.add(), bad.modify(writable, 1)}
		s.Apply(changes)
		for i, want := range []error{fdtest.EBADF, waitctx.ErrNotFound, fdtest.EBADF, waitctx.ErrNotFound} {
			if !errors.Is(changes[i].Err, want) {
				s.Errorf("Err of change %d = %v, want %v", i, changes[i].Err, want)
			}
		}
	}},
	{"26 Err of an earlier failure is cleared", func(s *suite) {
		r, _ := fdtest.Pipe(s)
		c := newReg(r.FD(), readable).add()
		c.Err = errors.New("earlier")
		changes := []waitctx.Change{c}
		if err := s.Apply(changes); err != nil || changes[0].Err != nil {
			s.Errorf("Apply() = %v with Err %v, want nil", err, changes[0].Err)
		}
	}},
	{"27 closed listener is silent", func(s *suite) {
		l, _ := fdtest.Listen(s)
		reg := s.add(l, readable)
		s.silent()
		l.Close()
		for _, e := range s.wait(16, quiet) {
			if e.Token != reg.Token || e.Ready != waitctx.ReadyClosed {
				s.Errorf("Wait told %s of token %#x, want at most Closed", readyString(e.Ready), e.Token)
			}
		}
		s.silent()
		s.delete(reg)
	}},
	{"28 socket never connected", func(s *suite) {
		// Linux says writable and hung up, the BSDs differ. What counts is
		// that the answer is no error and can be silenced.
		reg := s.add(fdtest.Socket(s), readable|writable)
		for _, e := range s.wait(16, quiet) {
			if e.Err != nil || e.Ready&waitctx.ReadyClosed != 0 {
				s.Errorf("Wait told %s, %v", readyString(e.Ready), e.Err)
			}
			s.suppress(reg)
		}
		s.silent()
		s.idle(100 * time.Millisecond)
	}},
	{"29 out-of-band data", func(s *suite) {
		a, b := fdtest.TCP(s)
		if !s.caps.Priority {
			s.refused(newReg(a.FD(), waitctx.Priority).add())
			reg := s.add(a, readable)
			s.refused(reg.modify(readable|waitctx.Priority, reg.Token))
			b.Write("x")
			s.expect(reg, waitctx.ReadyIn)
			return
		}
		reg := s.add(a, waitctx.Priority)
		b.Write("x")
		s.silent()
		if err := b.WriteUrgent("!"); err != nil {
			s.Skipf("MSG_OOB: %v", err)
		}
		s.expect(reg, waitctx.ReadyPri)
	}},
}

// refused fails unless the poller says that it cannot do what c asks for.
func (s *suite) refused(c waitctx.Change) {
	s.Helper()
	changes := []waitctx.Change{c}
	if err := s.Apply(changes); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(changes[0].Err, errors.ErrUnsupported) {
		s.Fatalf("Apply() = %v with Err %v, want ErrUnsupported", err, changes[0].Err)
	}
}

// file checks what a regular file or directory is answered with.
func (s *suite) file(path string) {
	s.Helper()
	reg := newReg(fdtest.Open(s, path).FD(), readable)
	changes := []waitctx.Change{reg.add()}
	err := s.Apply(changes)
	switch s.caps.Files {
	case waitctx.FilesReady:
		if err != nil {
			s.Fatalf("Apply() = %v, want nil", err)
		}
		for range 3 {
			s.expect(reg, waitctx.ReadyIn)
		}
		s.suppress(reg)
		s.silent()
		s.rearm(reg)
		s.expect(reg, waitctx.ReadyIn)
		s.delete(reg)
		s.silent()
	case waitctx.RejectFiles:
		if !errors.Is(err, waitctx.ErrNotPollable) || !errors.Is(changes[0].Err, waitctx.ErrNotPollable) {
			s.Fatalf("Apply() = %v with Err %v, want ErrNotPollable", err, changes[0].Err)
		}
	default:
		s.Fatalf("Caps.Files = %d, which means nothing", s.caps.Files)
	}
}
