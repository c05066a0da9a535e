package jobs_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"bide/internal/versus"
	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

var one = [8]byte{1}

func rawWrite(fd int) {
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}

func rawRead(fd int, buf *[8]byte) {
	syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(buf)), 8)
}

// BenchmarkWake signals an eventfd, waits for it, resumes its job, which drains
// it and pauses; beside the three bare system calls over as many descriptors in
// the same random order, and beside those with the read in a bare iter.Pull: the
// least that a job which keeps a stack can cost.
func BenchmarkWake(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 9000} {
		b.Run(fmt.Sprintf("fds=%d", n), func(b *testing.B) {
			order := rand.New(rand.NewPCG(1, 2)).Perm(n)
			rivals := []versus.Side{{Name: "syscalls", Aim: versus.AtMost(1.2), Run: wakeBare(b, order)}}
			if n <= 1000 { // descriptors are limited
				rivals = append(rivals, versus.Side{Name: "syscalls+iter.Pull", Run: wakePull(b, order)})
			}
			versus.Steps(b, versus.Side{Name: "job", Run: wakeJobs(b, order)}, rivals...)
		})
	}
}

// BenchmarkWatch signals some eventfds and runs a turn, in which a job is started
// for each that drains it and ends; beside the bare system calls.
func BenchmarkWatch(b *testing.B) {
	for _, n := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("ready=%d", n), func(b *testing.B) {
			order := rand.New(rand.NewPCG(1, 2)).Perm(1024)
			versus.Steps(b, versus.Side{Name: "job", Run: watchJobs(b, order, n)},
				versus.Side{Name: "syscalls", Run: watchBare(b, order, n)})
		})
	}
}

func watchJobs(b *testing.B, order []int, ready int) func(n int) {
	s, _ := onEpoll(b)
	fds := eventfds(b, len(order))
	var buf [8]byte
	for _, fd := range fds {
		wc := new(waitctx.WaitCtx)
		wc.Set("k", waitctx.Wait{FD: waitctx.FD(fd)})
		if _, err := s.Watch(wc, func(jobs.Job) error { rawRead(fd, &buf); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	s.RunOnce(0)
	return signalling(fds, order, ready, func() { s.RunOnce(0) })
}

func watchBare(b *testing.B, order []int, ready int) func(n int) {
	fds := eventfds(b, len(order))
	epfd := epollOf(b, fds)
	events := make([]unix.EpollEvent, 256)
	var buf [8]byte
	return signalling(fds, order, ready, func() {
		n, _, _ := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
			uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		for i := range events[:n] {
			rawRead(fds[events[i].Fd], &buf)
		}
	})
}

// signalling returns steps that signal a descriptor each, and call turn after
// every few of them.
func signalling(fds, order []int, ready int, turn func()) func(n int) {
	i := 0
	return func(n int) {
		for k := range n {
			rawWrite(fds[order[i]])
			if i++; i == len(order) {
				i = 0
			}
			if i%ready == 0 || k == n-1 {
				turn()
			}
		}
	}
}

func wakeJobs(b *testing.B, order []int) func(n int) {
	s, _ := onEpoll(b)
	fds := eventfds(b, len(order))
	var buf [8]byte
	for _, fd := range fds {
		s.Go(func(j jobs.Job) error {
			for {
				if err := j.Wait(waitctx.FD(fd), waitctx.Readable); err != nil {
					return err
				}
				rawRead(fd, &buf)
			}
		})
	}
	s.RunOnce(0)
	i := 0
	return func(n int) {
		for range n {
			rawWrite(fds[order[i]])
			if i++; i == len(order) {
				i = 0
			}
			s.RunOnce(0)
		}
	}
}

func wakeBare(b *testing.B, order []int) func(n int) {
	fds := eventfds(b, len(order))
	var buf [8]byte
	return bareTurns(b, fds, order, func(i int32) { rawRead(fds[i], &buf) })
}

func wakePull(b *testing.B, order []int) func(n int) {
	fds := eventfds(b, len(order))
	var buf [8]byte
	steps := make([]func() (struct{}, bool), len(fds))
	for i, fd := range fds {
		step, stop := iter.Pull(func(yield func(struct{}) bool) {
			for yield(struct{}{}) {
				rawRead(fd, &buf)
			}
		})
		b.Cleanup(stop)
		step()
		steps[i] = step
	}
	return bareTurns(b, fds, order, func(i int32) { steps[i]() })
}

// bareTurns signals a descriptor, waits, and has drain called with its place.
func bareTurns(b *testing.B, fds, order []int, drain func(i int32)) func(n int) {
	epfd := epollOf(b, fds)
	events := make([]unix.EpollEvent, 256)
	i := 0
	return func(n int) {
		for range n {
			rawWrite(fds[order[i]])
			if i++; i == len(order) {
				i = 0
			}
			syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
				uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
			drain(events[0].Fd)
		}
	}
}

func eventfds(b *testing.B, n int) []int {
	b.Helper()
	fds := make([]int, n)
	for i := range fds {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			b.Fatal(err)
		}
		fds[i] = fd
	}
	b.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	return fds
}

// epollOf returns an epoll set that holds fds for reading, each with its place.
func epollOf(b *testing.B, fds []int) int {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(epfd) })
	for i, fd := range fds {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			b.Fatal(err)
		}
	}
	return epfd
}
