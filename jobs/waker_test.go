package jobs_test

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
)

// TestNoWakeIsLost: what was done before a wake is seen by the job after a Park,
// however many wake it at once.
func TestNoWakeIsLost(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		const goroutines, each = 4, 2000
		var queued atomic.Int64
		taken := 0
		wakers := make(chan jobs.Waker, goroutines)
		s.Go(func(j jobs.Job) error {
			for range goroutines {
				wakers <- j.Waker()
			}
			for taken < goroutines*each {
				if err := j.Park(); err != nil {
					return err
				}
				taken += int(queued.Swap(0))
			}
			return nil
		})
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				w := <-wakers
				for range each {
					queued.Add(1)
					w.Wake()
				}
			})
		}
		turns(t, s, func() bool { return taken >= goroutines*each && s.Live() == 0 })
		wg.Wait()
		if taken != goroutines*each {
			t.Errorf("%d items were taken, want %d", taken, goroutines*each)
		}
	})
}

// TestWakeBeforePark: Park returns, and others have had their turn.
func TestWakeBeforePark(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var order []string
		s.Go(func(j jobs.Job) error {
			for range 3 {
				j.Waker().Wake()
				j.Waker().Wake() // which is one with the first
				order = append(order, "a")
				if err := j.Park(); err != nil {
					return err
				}
			}
			begin := time.Now()
			time.AfterFunc(time.Minute, j.Waker().Wake)
			if err := j.Park(); err != nil || time.Since(begin) != time.Minute {
				t.Errorf("Park() = %v after %v, want nil after a minute", err, time.Since(begin))
			}
			return nil
		})
		s.Go(func(j jobs.Job) error {
			for range 3 {
				order = append(order, "b")
				if err := j.Sleep(0); err != nil {
					return err
				}
			}
			return nil
		})
		until(t, s)
		if want := []string{"a", "b", "a", "b", "a", "b"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

// TestWakeOutlastsADeadline: a wake that a Park did not return for is there for
// the next one, and for that alone.
func TestWakeOutlastsADeadline(t *testing.T) {
	for _, parked := range []bool{false, true} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			s.Go(func(j jobs.Job) error {
				j.SetDeadline(time.Now().Add(time.Second))
				if parked {
					time.AfterFunc(time.Second, j.Waker().Wake) // in the turn of the deadline
				} else {
					j.Waker().Wake()
					time.Sleep(time.Second) // the deadline passes before the next turn
				}
				late := j.Park()
				if late != nil && late != os.ErrDeadlineExceeded {
					t.Errorf("Park() = %v, want nil or os.ErrDeadlineExceeded", late)
				}
				j.SetDeadline(time.Time{})
				if late != nil {
					if begin := time.Now(); j.Park() != nil || time.Since(begin) != 0 {
						t.Errorf("parked = %v: the wake is gone with the deadline", parked)
					}
				} else if !parked {
					t.Error("Park() = nil past the deadline")
				}
				begin := time.Now()
				time.AfterFunc(time.Minute, j.Waker().Wake)
				if err := j.Park(); err != nil || time.Since(begin) != time.Minute {
					t.Errorf("parked = %v: Park() = %v after %v, want nil after a minute", parked, err, time.Since(begin))
				}
				return nil
			})
			until(t, s)
		})
	}
}

// TestLateWakesAreCounted: a waker of a job that has ended wakes no other job,
// also not one that has the same task.
func TestLateWakesAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var old jobs.Waker
		mustStartNow(t, s, func(j jobs.Job) error { old = j.Waker(); return nil })
		j := mustStartNow(t, s, func(j jobs.Job) error { return j.Park() })
		old.Wake()
		s.RunOnce(0)
		if !j.Valid() {
			t.Error("the waker of another job has woken it")
		}
		j.Waker().Wake()
		until(t, s)
		if st := statsOf(s); st.LateWakes != 1 {
			t.Errorf("LateWakes = %d, want 1", st.LateWakes)
		}
		(jobs.Waker{}).Wake()
	})
}
