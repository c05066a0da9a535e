//go:build linux

package iouring

import (
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"bide/internal/fdtest"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// These look inside, for what cannot be brought about from outside.

func open(t *testing.T) *Poller {
	t.Helper()
	runtime.LockOSThread()
	fdtest.Check(t)
	p, err := New()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err) // iouring_test.go checks that it is so
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *Poller) add(t *testing.T, f *fdtest.File, id waitctx.ID) {
	t.Helper()
	c := []waitctx.Change{{Op: waitctx.OpAdd, ID: id, FD: f.FD(), Interest: waitctx.Readable, Token: waitctx.Token(id)}}
	if err := p.Apply(c); err != nil {
		t.Fatalf("Apply() = %v, want nil", err)
	}
}

func TestCompletionOfAnEarlierUseIsDropped(t *testing.T) {
	p := open(t)
	r, _ := fdtest.Pipe(t)
	p.add(t, r, 1)
	slot := p.findLocked(r.FD(), 1)
	old := cqe{userData: p.cookieLocked(slot), res: unix.POLLIN}
	if err := p.Apply([]waitctx.Change{{Op: waitctx.OpDelete, ID: 1, FD: r.FD()}}); err != nil {
		t.Fatalf("Apply() = %v, want nil", err)
	}
	p.add(t, r, 2)
	if now := p.findLocked(r.FD(), 2); now != slot {
		t.Fatalf("the next registration has slot %d, want %d again", now, slot)
	}
	before := p.stats.Stale
	if i, ready, _ := p.completeLocked(old); i != 0 || ready != 0 {
		t.Errorf("a completion of the earlier use told slot %d %#x, want nothing", i, ready)
	}
	if p.stats.Stale != before+1 || p.slots[slot].armed == 0 {
		t.Errorf("Stale grew by %d, armed = %#x, want 1 and still armed", p.stats.Stale-before, p.slots[slot].armed)
	}
}

// The kernel says that it dropped a completion, and not which.
func TestDroppedCompletionIsMadeGood(t *testing.T) {
	p := open(t)
	r, w := fdtest.Pipe(t)
	p.add(t, r, 1)
	w.Write("x")
	if _, ok := p.ring.pop(); !ok {
		t.Fatal("no completion to lose")
	}
	p.resyncLocked()
	dst := make([]waitctx.Event, 2)
	for range 2 {
		if n, err := p.Wait(dst, 0); n != 1 || err != nil || dst[0].Token != 1 {
			t.Fatalf("Wait() = %d, %v with token %d, want 1, nil with token 1", n, err, dst[0].Token)
		}
	}
	r.Drain()
	if n, err := p.Wait(dst, 0); n != 0 || err != nil {
		t.Errorf("Wait() = %d, %v, want 0, nil", n, err)
	}
	if p.stats.Drops != 1 {
		t.Errorf("Drops = %d, want 1", p.stats.Drops)
	}
}

// An Apply looks at what has completed, and so may take away what was to bring
// a Wait back that has not entered the kernel yet.
func TestApplyLeavesWhatBringsWaitBack(t *testing.T) {
	for _, what := range []string{"wake", "event", "modify"} {
		t.Run(what, func(t *testing.T) {
			p := open(t)
			r, w := fdtest.Pipe(t)
			other, _ := fdtest.Pipe(t)
			p.add(t, r, 1)
			p.waiting = true // in Wait, but for the system call
			switch what {
			case "wake":
				p.Wake()
			case "event":
				w.Write("x")
			case "modify":
				p.Apply([]waitctx.Change{{Op: waitctx.OpModify, ID: 1, FD: r.FD(), Interest: waitctx.Readable | waitctx.Writable}})
				w.Write("x")
			}
			p.add(t, other, 2)
			if _, ok := p.ring.pop(); !ok {
				t.Error("no completion is left for Wait, want one")
			}
			p.waiting = false
		})
	}
}

func TestMaskLiesWhereTheKernelReadsIt(t *testing.T) {
	var e sqe
	e.setMask(0x80002001)
	if low := binary.NativeEndian.Uint16(e.poll32[:2]); low != 0x2001 && bigEndian {
		t.Errorf("the first half of the mask is %#x, want the low one, 0x2001", low)
	}
	word := binary.NativeEndian.Uint32(e.poll32[:])
	if bigEndian {
		word = word<<16 | word>>16 // swahw32 in io_poll_parse_events
	}
	if word != 0x80002001 {
		t.Errorf("the kernel reads mask %#x, want 0x80002001", word)
	}
}

func TestStructuresAreTheKernels(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"sizeof(io_uring_params)", unsafe.Sizeof(params{}), 120},
		{"offsetof(io_uring_params, sq_off)", unsafe.Offsetof(params{}.sq), 40},
		{"offsetof(io_uring_params, cq_off)", unsafe.Offsetof(params{}.cq), 80},
		{"sizeof(io_uring_sqe)", unsafe.Sizeof(sqe{}), 64},
		{"offsetof(io_uring_sqe, addr)", unsafe.Offsetof(sqe{}.addr), 16},
		{"offsetof(io_uring_sqe, poll32_events)", unsafe.Offsetof(sqe{}.poll32), 28},
		{"offsetof(io_uring_sqe, user_data)", unsafe.Offsetof(sqe{}.userData), 32},
		{"sizeof(io_uring_cqe)", unsafe.Sizeof(cqe{}), 16},
		{"offsetof(io_uring_getevents_arg, ts)", unsafe.Offsetof(arg{}.ts), 16},
	} {
		if c.got != c.want {
			t.Errorf("%s = %d, want %d", c.name, c.got, c.want)
		}
	}
}
