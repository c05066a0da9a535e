package bench

import (
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"bide/internal/fdtest"
	"bide/internal/versus"
	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// few is the number of descriptors that a growth begins at.
const few = 1000

// settled is how many wakes are over when the runtime's monitor is at rest. It
// begins to look every 20 microseconds when a process that waited for a question
// goes on, and took 260 ns of each wake's CPU time in the first six milliseconds.
// A side that was still in them while its rival was not looked that much dearer.
const settled = 10_000

// most is the number that it ends at: what the usual limit of the machines that
// bide is measured on leaves, or less if the limit is lower.
func most(t testing.TB) int { return min(19_000, fdtest.Limit(t)-100) }

// BenchmarkWake has each side in a process with one processor, which is the best
// for one that has to go from goroutine to goroutine.
func BenchmarkWake(b *testing.B) {
	sizes := []int{1, 100, few, 9000, most(b)}
	for i := range sizes {
		sizes[i] = min(sizes[i], most(b))
	}
	for _, n := range slices.Compact(sizes) {
		b.Run(fmt.Sprintf("fds=%d", n), func(b *testing.B) {
			side := func(name string, aim versus.Aim) versus.Side {
				p := start(b, "wake/"+name, n, 1)
				return versus.Side{Name: name, Aim: aim, Timed: func(n int) time.Duration {
					return time.Duration(p.ask(n))
				}}
			}
			syscalls, netpoller := versus.Aim{}, versus.Aim{}
			if n == 1 {
				syscalls, netpoller = versus.AtMost(1.15), versus.AtMost(0.7)
			}
			versus.Steps(b, side("bide", versus.Aim{}), side("syscalls", syscalls), side("netpoller", netpoller))
		})
	}
}

func BenchmarkWakeGrowth(b *testing.B) {
	many := most(b)
	if many <= few {
		b.Skipf("more than %d descriptors are needed", few+100)
	}
	b.Run(fmt.Sprintf("fds=%dto%d", few, many), func(b *testing.B) {
		side := func(name string, aim versus.Aim) versus.Side {
			from, to := start(b, "wake/"+name, few, 1), start(b, "wake/"+name, many, 1)
			return versus.Side{Name: name, Aim: aim, Value: func() float64 {
				var growth []float64
				for range 3 {
					growth = append(growth, to.ask(many)/from.ask(many))
				}
				slices.Sort(growth)
				return growth[1]
			}}
		}
		versus.Values(b, "growth", 5, side("bide", versus.Aim{}), side("syscalls", versus.AtMost(1.25)), side("netpoller", versus.Aim{}))
	})
}

// TestWake: each side drains each descriptor that is written.
func TestWake(t *testing.T) {
	for _, name := range []string{"bide", "syscalls", "netpoller"} {
		t.Run(name, func(t *testing.T) {
			if took := start(t, "wake/"+name, 10, 1).ask(20); took <= 0 { // which it checks itself
				t.Errorf("20 wakes took %v ns", took)
			}
		})
	}
}

func init() {
	works["wake/bide"] = wakes(wakeJob)
	works["wake/syscalls"] = wakes(wakeBare)
	works["wake/netpoller"] = wakes(wakeGoroutine)
}

// wakes is the work of a side, which has something wait for each descriptor. One
// of them is written, and turn gets it drained and awaited again. The answer is
// how long n wakes took, after one of each and settled wakes at least.
func wakes(side func(fds []int) (turn func() (drained bool))) work {
	return func(arg int) (int, func(n int) float64) {
		fds := make([]int, arg)
		for i := range fds {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			if err != nil {
				log.Fatal(err)
			}
			fds[i] = fd
		}
		turn := side(fds)
		rand.New(rand.NewPCG(1, 2)).Shuffle(arg, func(i, j int) { fds[i], fds[j] = fds[j], fds[i] })
		i := 0
		wake := func(n int) {
			for range n {
				rawWrite(fds[i])
				if i++; i == len(fds) {
					i = 0
				}
				if !turn() {
					log.Fatal("a turn drained nothing")
				}
			}
		}
		return 0, func(n int) float64 {
			wake(max(settled, len(fds)))
			t := versus.Clock()
			wake(n)
			return float64(versus.Clock() - t)
		}
	}
}

func wakeJob(fds []int) func() bool {
	s, err := jobs.New(jobs.WithBackend("epoll"))
	if err != nil {
		log.Fatal(err)
	}
	drained := false
	for _, fd := range fds {
		s.Go(func(j jobs.Job) error {
			for {
				if err := j.Wait(waitctx.FD(fd), waitctx.Readable); err != nil {
					return err
				}
				drained = rawRead(fd)
			}
		})
	}
	s.RunOnce(0)
	return func() bool {
		drained = false
		s.RunOnce(0)
		return drained
	}
}

func wakeBare(fds []int) func() bool {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		log.Fatal(err)
	}
	for _, fd := range fds {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			log.Fatal(err)
		}
	}
	events := make([]unix.EpollEvent, 256)
	return func() bool {
		n, _, _ := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
			uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		return n == 1 && rawRead(int(events[0].Fd))
	}
}

// wakeGoroutine reads once a wake: its function is only called again when Go's
// poller says so. The monitor polls too, and then it may be called for nothing.
func wakeGoroutine(fds []int) func() bool {
	parked, drained := make(chan bool), make(chan bool, 1)
	for _, fd := range fds {
		conn, err := os.NewFile(uintptr(fd), "eventfd").SyscallConn()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			first := true
			log.Fatal(conn.Read(func(fd uintptr) bool {
				if first {
					first = false
					parked <- true
				} else if rawRead(int(fd)) {
					drained <- true
				}
				return false
			}))
		}()
	}
	for range fds {
		<-parked
	}
	return func() bool { return <-drained }
}

// The system calls are the same for all sides, and do not tell Go's scheduler.

var one, buf = [8]byte{1}, [8]byte{}

func rawWrite(fd int) {
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}

func rawRead(fd int) bool {
	n, _, _ := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf)), 8)
	return n == 8
}
