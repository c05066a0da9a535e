package jobs_test

import (
	"slices"
	"testing"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// Of two watches that are ready in one turn the one of low priority comes last,
// though it was ready first.
func TestWatchOfLowPriority(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var ran []waitctx.FD
		watch := func(fd waitctx.FD) jobs.Watch {
			wc := new(waitctx.WaitCtx)
			wc.Set("k", waitctx.Wait{FD: fd})
			w, err := s.Watch(wc, func(jobs.Job) error {
				ran = append(ran, fd)
				m.SetReady(fd, 0)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		first := watch(5)
		watch(6)
		for _, low := range []bool{true, false} {
			first.SetLow(low)
			s.RunOnce(0)
			m.SetReady(5, waitctx.ReadyIn)
			m.SetReady(6, waitctx.ReadyIn)
			s.RunOnce(0)
			s.RunOnce(0)
		}
		if want := []waitctx.FD{6, 5, 5, 6}; !slices.Equal(ran, want) {
			t.Errorf("ran for %v, want %v: low first, then not", ran, want)
		}
	})
}
