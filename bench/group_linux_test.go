package bench

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bide/internal/versus"
	"bide/jobs"
	"bide/jobs/jobnet"
	"bide/poller/epoll"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	accepts = 1000
	busiest = 60 // % of them, at most

	chunks      = 800 // of work
	jobsPerLoop = 8
)

// BenchmarkGroupGain goes by the time of day: what is at stake is the second
// processor.
func BenchmarkGroupGain(b *testing.B) {
	if runtime.GOMAXPROCS(0) < 2 {
		b.Skip("two processors are needed")
	}
	one, two := runGroup(b, 1), runGroup(b, 2)
	side := func(name string, aim versus.Aim, one, two func()) versus.Side {
		return versus.Side{Name: name, Aim: aim, Value: func() float64 {
			var gains []float64
			for range 5 {
				gains = append(gains, took(one)/took(two))
			}
			slices.Sort(gains)
			return gains[2]
		}}
	}
	versus.Values(b, "gain", 7,
		side("bide", versus.Aim{}, func() { workJobs(one) }, func() { workJobs(two) }),
		side("goroutines", versus.AtLeast(0.95), func() { workGoroutines(1) }, func() { workGoroutines(2) }))
}

func took(fn func()) float64 {
	t := time.Now()
	fn()
	return float64(time.Since(t))
}

func BenchmarkGroupAccept(b *testing.B) {
	versus.Values(b, "busiest-%", 5, versus.Side{Name: "bide", Aim: versus.AtMost(busiest), Value: func() float64 {
		n := slices.Max(accept(b, 2))
		return 100 * float64(n) / accepts
	}})
}

func BenchmarkEpollCtl(b *testing.B) {
	versus.Values(b, "epoll_ctl/pause", 5, versus.Side{Name: "bide", Aim: versus.AtMost(0), Value: func() float64 {
		const pauses = 100_000
		return float64(epollCtls(b, pauses)) / pauses
	}})
}

// TestGroupWork: all of the work is done, and of a group by both loops.
func TestGroupWork(t *testing.T) {
	done.Store(0)
	workGoroutines(2)
	if n := done.Load(); n != chunks {
		t.Errorf("goroutines did %d chunks, want %d", n, chunks)
	}
	for n := 1; n <= 2; n++ {
		g := runGroup(t, n)
		done.Store(0)
		workJobs(g)
		if n := done.Load(); n != chunks {
			t.Errorf("jobs did %d chunks, want %d", n, chunks)
		}
		for i, s := range g.Schedulers() {
			if got, want := s.Stats().Resumes, uint64(chunks/n); got < want {
				t.Errorf("loop %d of %d resumed jobs %d times, want %d and more", i, n, got, want)
			}
		}
	}
}

func TestGroupAccept(t *testing.T) {
	counts := accept(t, 2)
	t.Logf("accepted: %v", counts)
	if n := slices.Max(counts); n > accepts*busiest/100 {
		t.Errorf("one loop accepted %d of %d connections, want at most %d %%", n, accepts, busiest)
	}
}

func TestEpollCtl(t *testing.T) {
	if n := epollCtls(t, 1000); n != 0 {
		t.Errorf("%d calls of epoll_ctl for 1,000 pauses on a descriptor waited for before, want 0", n)
	}
}

// done counts chunks.
var done atomic.Int64

var sink atomic.Uint64

// chunk takes about 50 microseconds.
func chunk() {
	x := uint64(1)
	for range 40_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink.Store(x)
	done.Add(1)
}

// workGoroutines has n goroutines do all chunks.
func workGoroutines(n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for range chunks / n {
				chunk()
			}
		})
	}
	wg.Wait()
}

// workJobs has jobs of a group do all chunks. After each a job lets the others
// go on.
func workJobs(g *jobs.Group) {
	loops := g.Schedulers()
	var wg sync.WaitGroup
	for _, s := range loops {
		for range jobsPerLoop {
			wg.Add(1)
			s.Go(func(j jobs.Job) error {
				defer wg.Done()
				for range chunks / len(loops) / jobsPerLoop {
					chunk()
					if err := j.Sleep(0); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	wg.Wait()
}

// runGroup returns a group that runs until the end of the test.
func runGroup(t testing.TB, n int) *jobs.Group {
	g, err := jobs.NewGroup(n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := g.Run(ctx); ctx.Err() == nil {
			t.Errorf("Run() = %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		g.Close()
	})
	return g
}

// accept has the loops of a group accept connections, each on a listener of its
// own, and returns how many each did.
func accept(t testing.TB, loops int) []int {
	g := runGroup(t, loops)
	counts := make([]int, loops)
	accepted := make(chan int, accepts)
	addr := "127.0.0.1:0"
	for i, s := range g.Schedulers() {
		l, err := jobnet.Listen(s, "tcp", addr, jobnet.ReusePort())
		if err != nil {
			t.Fatal(err)
		}
		addr = l.Addr().String()
		s.Go(func(j jobs.Job) error {
			for {
				c, err := l.AcceptIn(j)
				if err != nil {
					return nil // the group is closed
				}
				accepted <- i
				c.Close()
			}
		})
	}
	for range accepts {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		counts[<-accepted]++
		c.Close()
	}
	return counts
}

// epollCtls returns how often epoll_ctl is called for pauses of a job on one
// descriptor, after the first.
func epollCtls(t testing.TB, pauses int) uint64 {
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s, err := jobs.New(jobs.WithPoller(p))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	drained := 0
	s.Go(func(j jobs.Job) error {
		for {
			if err := j.Wait(waitctx.FD(fd), waitctx.Readable); err != nil {
				return err
			}
			if rawRead(fd) {
				drained++
			}
		}
	})
	before := uint64(0)
	for i := range 1 + pauses {
		rawWrite(fd)
		for drained == i {
			if _, err := s.RunOnce(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			before = p.Stats().Ctl
		}
	}
	return p.Stats().Ctl - before
}
