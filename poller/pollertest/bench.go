//go:build unix

package pollertest

import (
	"fmt"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/poller"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// Bench measures the poller that open returns: what a change costs, a wake, a
// Wait with one ready among many, and how late a timeout is. It opens many, and
// closes each. Sizes shrink to what the limit of descriptors allows; the names
// tell them.
func Bench(b *testing.B, open func(b *testing.B) poller.Poller) {
	with := func(name string, run func(b *testing.B, p poller.Poller)) {
		b.Run(name, func(b *testing.B) {
			p := open(b)
			defer p.Close()
			b.ReportAllocs()
			run(b, p)
		})
	}
	for _, n := range benchSizes(b) {
		with(fmt.Sprintf("changes/fds=%d", n), func(b *testing.B, p poller.Poller) { benchChanges(b, p, n) })
	}
	with("changes/waits=10000,fds=1", benchShared)
	with("wake", benchWake)
	for _, n := range benchSizes(b) {
		with(fmt.Sprintf("wait/fds=%d", n), func(b *testing.B, p poller.Poller) { benchWait(b, p, n) })
	}
	for _, d := range []time.Duration{50 * time.Microsecond, time.Millisecond, 10 * time.Millisecond} {
		with(fmt.Sprintf("timer/%v", d), func(b *testing.B, p poller.Poller) { benchTimer(b, p, d) })
	}
}

// benchSizes are 1, 100 and 10,000, or what the limit of descriptors leaves.
func benchSizes(b *testing.B) []int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatalf("getrlimit: %v", err)
	}
	return []int{1, 100, int(min(10_000, max(200, uint64(limit.Cur))-100))}
}

// benchChanges has one batch of adds, of modifies and of deletes in each
// operation. The metrics are per change.
func benchChanges(b *testing.B, p poller.Poller, n int) {
	batches := make([]batch, 3)
	for i, unit := range []string{"ns/add", "ns/modify", "ns/delete"} {
		batches[i].unit = unit
	}
	for _, r := range benchRegs(b, n) {
		batches[0].add(r.add())
		batches[1].add(r.modify(readable|writable, r.Token))
		batches[2].add(r.delete())
	}
	benchBatches(b, p, batches)
}

// benchShared is benchChanges of 10,000 waits for one descriptor, without modifies.
func benchShared(b *testing.B, p poller.Poller) {
	r, _ := fdtest.Pipe(b)
	batches := []batch{{unit: "ns/add"}, {unit: "ns/delete"}}
	for range 10_000 {
		r := newReg(r.FD(), readable)
		batches[0].add(r.add())
		batches[1].add(r.delete())
	}
	benchBatches(b, p, batches)
}

type batch struct {
	unit    string // of what a change costs
	changes []waitctx.Change
	took    time.Duration
}

func (b *batch) add(c waitctx.Change) { b.changes = append(b.changes, c) }

func benchBatches(b *testing.B, p poller.Poller, batches []batch) {
	for b.Loop() {
		for i := range batches {
			start := time.Now()
			benchApply(b, p, batches[i].changes)
			batches[i].took += time.Since(start)
		}
	}
	for _, t := range batches {
		b.ReportMetric(float64(t.took)/float64(b.N*len(t.changes)), t.unit)
	}
}

// benchWake wakes, and has a Wait return from it.
func benchWake(b *testing.B, p poller.Poller) {
	dst := make([]waitctx.Event, 16)
	for b.Loop() {
		if err := p.Wake(); err != nil {
			b.Fatalf("Wake() = %v, want nil", err)
		}
		if n, err := p.Wait(dst, -1); n != 0 || err != nil {
			b.Fatalf("Wait() = %d, %v, want 0, nil", n, err)
		}
	}
}

// benchWait waits with n descriptors registered, of which one is ready and
// stays so.
func benchWait(b *testing.B, p poller.Poller, n int) {
	var changes []waitctx.Change
	for _, r := range benchRegs(b, n-1) {
		changes = append(changes, r.add())
	}
	r, w := fdtest.Pipe(b)
	w.Write("x")
	ready := newReg(r.FD(), readable)
	benchApply(b, p, append(changes, ready.add()))
	dst := make([]waitctx.Event, 64)
	for b.Loop() {
		if n, err := p.Wait(dst, -1); n != 1 || err != nil || dst[0].Token != ready.Token {
			b.Fatalf("Wait() = %d, %v, token %#x, want 1, nil, %#x", n, err, dst[0].Token, ready.Token)
		}
	}
}

// benchTimer has Waits run into their timeouts. The metric is how much later
// than that they return.
func benchTimer(b *testing.B, p poller.Poller, d time.Duration) {
	dst := make([]waitctx.Event, 1)
	var late time.Duration
	for b.Loop() {
		start := time.Now()
		if n, err := p.Wait(dst, d); n != 0 || err != nil {
			b.Fatalf("Wait() = %d, %v, want 0, nil", n, err)
		}
		took := time.Since(start)
		if took < d {
			b.Fatalf("Wait(%v) took %v", d, took)
		}
		late += took - d
	}
	b.ReportMetric(float64(late)/float64(b.N), "ns-late/op")
}

// benchRegs makes n registrations of descriptors that are not ready.
func benchRegs(b *testing.B, n int) []reg {
	r, _ := fdtest.Pipe(b)
	var regs []reg
	for range n {
		regs = append(regs, newReg(r.Dup().FD(), readable))
	}
	return regs
}

func benchApply(b *testing.B, p poller.Poller, changes []waitctx.Change) {
	if err := p.Apply(changes); err != nil {
		b.Fatalf("Apply() = %v, want nil", err)
	}
}
