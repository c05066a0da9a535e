package jobs_test

import (
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
)

func TestRecvFromAGoChannel(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		ch := make(chan int)
		go func() {
			for i := range 5 {
				time.Sleep(time.Second)
				ch <- i
			}
			close(ch)
		}()
		var got []int
		others := 0
		s.Go(func(j jobs.Job) error {
			for {
				v, ok, err := jobs.Recv(j, ch)
				if err != nil || !ok {
					return err
				}
				got = append(got, v)
			}
		})
		s.Go(func(j jobs.Job) error {
			for range 50 {
				j.Sleep(100 * time.Millisecond)
				others++
			}
			return nil
		})
		until(t, s)
		if !slices.Equal(got, []int{0, 1, 2, 3, 4}) || others != 50 {
			t.Errorf("received %v while another job went on %d times, want 0 to 4, 50", got, others)
		}
	})
}

// A receive that is canceled takes nothing from the channel, and leaves no
// goroutine.
func TestRecvIsCanceled(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		ch := make(chan int, 1)
		var got error
		j := s.Go(func(j jobs.Job) error { _, _, got = jobs.Recv(j, ch); return nil })
		s.RunOnce(0)
		j.Cancel(nil)
		until(t, s)
		ch <- 7
		if got != jobs.ErrCanceled || len(ch) != 1 {
			t.Errorf("Recv() = %v with %d left, want ErrCanceled, 1", got, len(ch))
		}
	})
}
