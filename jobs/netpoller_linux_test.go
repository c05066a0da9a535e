package jobs_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// nestable is each, for the backends that another loop can watch.
func nestable(t *testing.T, fn func(t *testing.T, s *jobs.Scheduler, fd waitctx.FD)) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		fd, ok := s.FD()
		if !ok {
			if err := netpolled(t.Context(), s); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("netpolled() = %v on a backend without FD, want ErrUnsupported", err)
			}
			return
		}
		fn(t, s, fd)
	})
}

// TestNetpollerDrivesAScheduler: jobs that wait in every way there is, under the
// function of the example.
func TestNetpollerDrivesAScheduler(t *testing.T) {
	nestable(t, func(t *testing.T, s *jobs.Scheduler, _ waitctx.FD) {
		fdtest.CheckGoroutines(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var result, canceled error
		other := s.Go(func(j jobs.Job) error { canceled = j.Park(); cancel(); return nil })
		s.Go(func(j jobs.Job) error {
			result = everyWait(t, func(string) {})(j)
			go other.Cancel(nil)
			return nil
		})
		if err := netpolled(ctx, s); err != context.Canceled || result != nil || canceled != jobs.ErrCanceled {
			t.Errorf("netpolled() = %v with the jobs' results %v, %v, want context.Canceled, nil, ErrCanceled", err, result, canceled)
		}
	})
}

// TestNetpollerIsToldOfEdges: what is ready and stays so is told to the netpoller
// once. There is more than one turn takes, and it is read in small portions.
func TestNetpollerIsToldOfEdges(t *testing.T) {
	nestable(t, func(t *testing.T, s *jobs.Scheduler, _ waitctx.FD) {
		const pipes, portions = 300, 4
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var writers []int
		reads := 0
		for range pipes {
			r, w := pipe(t)
			writers = append(writers, w)
			s.Go(func(j jobs.Job) error {
				for range portions {
					if err := j.Wait(waitctx.FD(r), 0); err != nil {
						return err
					}
					var b [1]byte
					if n, _ := unix.Read(r, b[:]); n == 1 {
						reads++
					}
					if reads == pipes*portions {
						cancel()
					}
				}
				return nil
			})
		}
		time.AfterFunc(5*time.Millisecond, func() {
			for _, w := range writers {
				unix.Write(w, make([]byte, portions))
			}
		})
		if err := netpolled(ctx, s); err != context.Canceled || reads != pipes*portions {
			t.Errorf("netpolled() = %v after %d reads, want context.Canceled, %d", err, reads, pipes*portions)
		}
	})
}

// TestNetpollerHoldsNoThread parks a hundred schedulers at once.
func TestNetpollerHoldsNoThread(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	const schedulers = 100
	ctx, cancel := context.WithCancel(t.Context())
	var wg, woken sync.WaitGroup
	woken.Add(schedulers)
	wakers := make(chan jobs.Waker, schedulers)
	for range schedulers {
		wg.Go(func() {
			s, err := jobs.New()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			s.Go(func(j jobs.Job) error {
				wakers <- j.Waker()
				err := j.Park()
				woken.Done()
				return err
			})
			if err := netpolled(ctx, s); err != context.Canceled || s.Live() != 0 {
				t.Errorf("netpolled() = %v with %d jobs live, want context.Canceled, 0", err, s.Live())
			}
		})
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		parked, blocked := parkedIn("netpolled"), outsideGo()
		if parked == schedulers && blocked < schedulers/2 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%d of %d goroutines are parked, and %d block threads", parked, schedulers, blocked)
			break
		}
	}
	for range schedulers {
		(<-wakers).Wake()
	}
	woken.Wait()
	cancel()
	wg.Wait()
}

// parkedIn counts the goroutines that are parked in the netpoller by a function.
func parkedIn(name string) int {
	buf := make([]byte, 1<<22)
	count := 0
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		if strings.Contains(head, "[IO wait") && strings.Contains(stack, "jobs_test."+name+"(") {
			count++
		}
	}
	return count
}

// outsideGo counts the goroutines that are in a system call, or in C.
func outsideGo() int {
	sample := []metrics.Sample{{Name: "/sched/goroutines/not-in-go:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 1 << 20 // unknown
	}
	return int(sample[0].Value.Uint64())
}
