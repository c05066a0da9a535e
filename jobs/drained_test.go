package jobs_test

import (
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/waitctx"
)

// edged watches a pipe by edges, for who says when it is drained.
func edged(t *testing.T, s *jobs.Scheduler, fn func(jobs.Job) error) (w jobs.Watch, r, peer *fdtest.File) {
	t.Helper()
	r, peer = fdtest.Pipe(t)
	wc := new(waitctx.WaitCtx)
	if err := wc.Set("pipe", waitctx.Wait{FD: r.FD(), Interest: waitctx.Readable | waitctx.Edge}); err != nil {
		t.Fatal(err)
	}
	w, err := s.Watch(wc, fn)
	if err != nil {
		t.Fatal(err)
	}
	w.SetDrained() // there was nothing yet
	s.RunOnce(0)
	return w, r, peer
}

// some runs turns in which nothing more is to happen.
func some(s *jobs.Scheduler) {
	for range 5 {
		s.RunOnce(0)
	}
}

// readsAll sends twice, and runs turns until got is all that was sent, and then
// some: whoever reads one byte at a time is to hear of each, and of no more.
func readsAll(t *testing.T, s *jobs.Scheduler, peer *fdtest.File, got *string) {
	t.Helper()
	for _, want := range []string{"abc", "abcdef"} {
		peer.Write(want[len(*got):])
		turns(t, s, func() bool { return len(*got) == len(want) })
		if some(s); *got != want {
			t.Errorf("it read %q, want %q", *got, want)
		}
	}
}

// These hold on every backend: what is not drained is told again, as without
// edges.

func TestDrainedFunctionIsStartedForWhatItLeft(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		var r *fdtest.File
		got := ""
		_, r, peer := edged(t, s, func(jobs.Job) error {
			got += r.Read(1)
			return nil
		})
		readsAll(t, s, peer, &got)
	})
}

// A job that waits hears of it first, and the function of what that leaves.
func TestDrainedFunctionIsStartedForWhatAJobLeft(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		var r *fdtest.File
		got := ""
		w, r, peer := edged(t, s, func(jobs.Job) error {
			got += r.Read(1)
			return nil
		})
		for _, reads := range []int{1, 0} { // 0: it is stopped, say, before it does
			s.Go(func(j jobs.Job) error {
				err := w.Wait(j)
				if reads > 0 {
					got += r.Read(reads)
				}
				return err
			})
			some(s)
			got = ""
			peer.Write("abc")
			turns(t, s, func() bool { return len(got) == 3 })
			if some(s); got != "abc" {
				t.Errorf("a job read %d, and all together %q, want abc", reads, got)
			}
		}
	})
}

// A change of the interest that is undone before the poller hears of it is none.
func TestDrainedInterestThereAndBack(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		w, r, peer := edged(t, s, nil)
		heard := false
		s.Go(func(j jobs.Job) error {
			if err := w.Wait(j); err != nil { // and reads nothing
				return err
			}
			w.SetInterest("pipe", waitctx.Silent)
			err := w.Wait(j)
			heard = true
			return err
		})
		s.Go(func(j jobs.Job) error {
			if err := w.Wait(j); err != nil { // is resumed in the same turn
				return err
			}
			return w.SetInterest("pipe", waitctx.Readable|waitctx.Edge)
		})
		some(s)
		peer.Write("x")
		turns(t, s, func() bool { return heard })
		r.Drain()
	})
}

func TestDrainedJobHearsOfWhatItLeft(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		w, r, peer := edged(t, s, nil)
		got := ""
		s.Go(func(j jobs.Job) error {
			for {
				if err := w.Wait(j); err != nil {
					return err
				}
				got += r.Read(1)
			}
		})
		readsAll(t, s, peer, &got)
	})
}

// What came while the job was elsewhere: whether it is read before the next wait
// or not, nothing is lost, and nothing told that is gone.
func TestDrainedWhileElsewhere(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		for _, times := range []int{1, 2} { // that something came
			for _, reads := range []bool{true, false} {
				w, r, peer := edged(t, s, nil)
				var waker jobs.Waker
				waits, woken := 0, 0
				s.Go(func(j jobs.Job) error {
					waker = j.Waker()
					if err := j.Park(); err != nil {
						return err
					}
					if reads {
						r.Drain()
						w.SetDrained()
					}
					waits++
					if err := w.Wait(j); err != nil {
						return err
					}
					woken++
					return nil
				})
				some(s)
				for range times {
					unawaited := s.Unawaited()
					peer.Write("x")
					turns(t, s, func() bool { return s.Unawaited() > unawaited || times > 1 })
					some(s)
				}
				waker.Wake()
				turns(t, s, func() bool { return waits == 1 })
				if reads {
					if some(s); woken != 0 {
						t.Errorf("came %d times, and was read: the wait after that was told of it", times)
					}
					peer.Write("y")
				}
				turns(t, s, func() bool { return woken == 1 })
				w.Stop()
				some(s)
			}
		}
	})
}

// One flag cannot speak for several waits.
func TestSetDrainedOfSeveralWaits(t *testing.T) {
	each(t, func(t *testing.T, s *jobs.Scheduler) {
		for n := 1; n <= 2; n++ {
			wc := new(waitctx.WaitCtx)
			for i := range n {
				r, _ := fdtest.Pipe(t)
				if err := wc.Set(i, waitctx.Wait{FD: r.FD(), Interest: waitctx.Readable | waitctx.Edge}); err != nil {
					t.Fatal(err)
				}
			}
			w, err := s.Watch(wc, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.SetDrained()
			if got := w.Drained(); got != (n == 1) {
				t.Errorf("with %d waits: Drained() = %v", n, got)
			}
			w.Stop()
		}
	})
}
