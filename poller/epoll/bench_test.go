//go:build linux

package epoll_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"bide/internal/fdtest"
	"bide/poller/epoll"
	"bide/poller/pollertest"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

func BenchmarkPoller(b *testing.B) { pollertest.Bench(b, open) }

// BenchmarkWait signals an eventfd, waits, and drains it: through a Poller, and
// by the three bare system calls over as many descriptors in the same random
// order. The figures are nanoseconds for the three.
func BenchmarkWait(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("fds=%d", n), func(b *testing.B) { benchWait(b, n) })
	}
}

const round = 1000

func benchWait(b *testing.B, n int) {
	b.ReportAllocs()
	p, err := epoll.New()
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(set)
	var ours, bare []int
	for i := range n {
		mine, other := fdtest.Eventfd(b).Num(), fdtest.Eventfd(b).Num()
		ours, bare = append(ours, mine), append(bare, other)
		add := waitctx.Change{
			Op: waitctx.OpAdd, ID: waitctx.ID(i + 1), FD: waitctx.FD(mine),
			Interest: waitctx.Readable, Token: waitctx.Token(i),
		}
		if err := p.Apply([]waitctx.Change{add}); err != nil {
			b.Fatal(err)
		}
		row := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, other, &row); err != nil {
			b.Fatal(err)
		}
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	events, rows := make([]waitctx.Event, 64), make([]unix.EpollEvent, 64)
	var count [8]byte
	count[0] = 1
	raw := func(trap uintptr, fd int) {
		unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&count)), 8)
	}
	viaPoller := func(fd int) {
		raw(unix.SYS_WRITE, fd)
		if n, err := p.Wait(events, 0); n != 1 || err != nil {
			b.Fatalf("Wait() = %d, %v, want 1, nil", n, err)
		}
		raw(unix.SYS_READ, ours[events[0].Token])
	}
	bareCalls := func(fd int) {
		raw(unix.SYS_WRITE, fd)
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(set),
			uintptr(unsafe.Pointer(&rows[0])), uintptr(len(rows)), 0, 0, 0)
		if n != 1 || errno != 0 {
			b.Fatalf("epoll_pwait() = %d, %v, want 1", n, errno)
		}
		raw(unix.SYS_READ, bare[rows[0].Fd])
	}
	// One operation is a round of each. The best round counts, since the rest
	// tells what else the machine was doing.
	best, i := [2]time.Duration{time.Hour, time.Hour}, 0
	for b.Loop() {
		for side, fds := range [][]int{ours, bare} {
			start := time.Now()
			for j := range round {
				fd := fds[order[(i+j)%n]]
				if side == 0 {
					viaPoller(fd)
				} else {
					bareCalls(fd)
				}
			}
			best[side] = min(best[side], time.Since(start))
		}
		i += round
	}
	b.ReportMetric(float64(best[0])/round, "ns/poller")
	b.ReportMetric(float64(best[1])/round, "ns/bare")
	b.ReportMetric(float64(best[0])/float64(best[1]), "ratio")
}
