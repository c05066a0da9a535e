package jobs_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// watchOnce watches a number. Each time that is ready it is appended to told, and is
// not ready any more.
func watchOnce(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory, fd waitctx.FD, told *[]waitctx.FD) jobs.Watch {
	t.Helper()
	wc := new(waitctx.WaitCtx)
	wc.Set("k", waitctx.Wait{FD: fd})
	w, err := s.Watch(wc, func(jobs.Job) error {
		*told = append(*told, fd)
		m.SetReady(fd, 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A Watch that is stopped before the kernel was told of it gives its slot back
// at once, and must not take it away from the Watch that gets it next.
func TestWatchStoppedInItsFirstTurnEndsNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var told []waitctx.FD
		watch := func(fd waitctx.FD) jobs.Watch { return watchOnce(t, s, m, fd, &told) }
		watch(5).Stop()
		watch(6)
		s.RunOnce(0)
		watch(7)
		for _, fd := range []waitctx.FD{6, 7} {
			m.SetReady(fd, waitctx.ReadyIn)
			s.RunOnce(0)
			s.RunOnce(0)
		}
		if want := []waitctx.FD{6, 7}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
	})
}

// A job that ends in the turn in which it registered its first wait gives its
// context back once: the next two jobs have one each.
func TestJobThatEndsInItsFirstTurnGivesItsContextBackOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		s.Go(func(j jobs.Job) error { return j.WaitCtx().Set("k", waitctx.Wait{FD: 5}) })
		until(t, s)
		var resumed []waitctx.FD
		for _, fd := range []waitctx.FD{6, 7} {
			s.Go(func(j jobs.Job) error {
				err := j.Wait(fd, 0)
				resumed = append(resumed, fd)
				return err
			})
		}
		s.RunOnce(0)
		for _, fd := range []waitctx.FD{7, 6} {
			m.SetReady(fd, waitctx.ReadyIn)
			s.RunOnce(time.Second)
			s.RunOnce(0)
		}
		if want := []waitctx.FD{7, 6}; !slices.Equal(resumed, want) {
			t.Errorf("resumed for %v, want %v", resumed, want)
		}
	})
}

// A job of a Watch that was stopped while it did not wait waits in vain, and is
// told so; one that does not listen is ended.
func TestPauseOnAStoppedWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		if err := wc.Set("key", waitctx.Wait{FD: 7}); err != nil {
			t.Fatal(err)
		}
		var got, reason error
		unwound := false
		var w jobs.Watch
		w, err := s.Watch(&wc, func(j jobs.Job) error {
			defer func() { unwound = true }()
			w.Stop()
			got = j.Pause()
			reason = j.Reason()
			for {
				j.Pause()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		m.SetReady(7, waitctx.ReadyIn)
		s.RunOnce(time.Hour)
		if got != jobs.ErrCanceled || reason != jobs.ErrCanceled {
			t.Errorf("Pause() = %v for the reason %v, want ErrCanceled twice", got, reason)
		}
		if !unwound {
			t.Error("the job goes on")
		}
	})
}

// A Watch's deadline that passes while its job waits for something else ends the
// next wait of that job, or starts the function once more.
func TestWatchDeadlineWhileItsJobIsElsewhere(t *testing.T) {
	for name, test := range map[string]struct {
		then func(j jobs.Job, w jobs.Watch) error
		want []error // what then returned, and the reasons of later jobs
	}{
		"Pause":   {func(j jobs.Job, _ jobs.Watch) error { return j.Pause() }, []error{os.ErrDeadlineExceeded}},
		"WaitKey": {func(j jobs.Job, _ jobs.Watch) error { return j.WaitKey("key") }, []error{os.ErrDeadlineExceeded}},
		"Wait":    {func(j jobs.Job, w jobs.Watch) error { return w.Wait(j) }, []error{os.ErrDeadlineExceeded}},
		"end":     {func(jobs.Job, jobs.Watch) error { return nil }, []error{nil, os.ErrDeadlineExceeded}},
		"moved": {func(_ jobs.Job, w jobs.Watch) error {
			w.SetDeadline(time.Now().Add(time.Hour))
			return nil
		}, []error{nil, os.ErrDeadlineExceeded}},
		"taken back": {func(_ jobs.Job, w jobs.Watch) error { w.SetDeadline(time.Time{}); return nil }, []error{nil}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
				var wc waitctx.WaitCtx
				if err := wc.Set("key", waitctx.Wait{FD: 7}); err != nil {
					t.Fatal(err)
				}
				var w jobs.Watch
				var got []error
				w, err := s.Watch(&wc, func(j jobs.Job) error {
					m.SetReady(7, 0)
					if len(got) > 0 {
						got = append(got, j.Reason())
						return nil
					}
					if err := j.Sleep(time.Minute); err != nil {
						return err
					}
					got = append(got, test.then(j, w))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				w.SetDeadline(time.Now().Add(time.Second))
				m.SetReady(7, waitctx.ReadyIn)
				for range 10 {
					s.RunOnce(time.Hour)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("the job and later ones got %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A Watch's deadline that somebody has heard of ends whatever wait follows, starts
// the function no second time, and neither once it was moved.
func TestWatchDeadlineStands(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		if err := wc.Set("key", waitctx.Wait{FD: 7}); err != nil {
			t.Fatal(err)
		}
		var w jobs.Watch
		var reasons []error
		late := func(j jobs.Job, call string, err error) {
			if err != os.ErrDeadlineExceeded {
				t.Errorf("%s = %v past the deadline, want os.ErrDeadlineExceeded", call, err)
			}
		}
		limit := func(j jobs.Job, fn func() error) error { return j.Within(time.Hour, fn) }
		w, err := s.Watch(&wc, func(j jobs.Job) error {
			m.SetReady(7, 0)
			if reasons = append(reasons, j.Reason()); len(reasons) == 1 {
				late(j, "Wait()", limit(j, func() error { return w.Wait(j) }))
				start := time.Now()
				late(j, "Pause()", limit(j, j.Pause))
				late(j, "WaitKey()", limit(j, func() error { return j.WaitKey("key") }))
				if d := time.Since(start); d >= time.Hour {
					t.Errorf("Pause and WaitKey ended after %v, not by the deadline", d)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.SetDeadline(time.Now().Add(time.Second))
		until(t, s)
		s.Go(func(j jobs.Job) error {
			j.Sleep(time.Minute)
			late(j, "another job's Wait()", limit(j, func() error { return w.Wait(j) }))
			w.SetDeadline(time.Now().Add(time.Second))
			time.Sleep(time.Minute) // the loop comes late to the timer
			late(j, "Wait() before the timer", limit(j, func() error { return w.Wait(j) }))
			j.Sleep(time.Minute)
			w.SetFunc(nil) // the next one waits for what makes the function begin
			w.SetDeadline(time.Time{})
			if err := j.Within(time.Minute, func() error { return w.Wait(j) }); err != os.ErrDeadlineExceeded {
				t.Errorf("Wait() = %v for a minute after the deadline was cleared", err)
			}
			return nil
		})
		until(t, s)
		if !slices.Equal(reasons, []error{os.ErrDeadlineExceeded}) {
			t.Errorf("the function was started for %v, want for the deadline once", reasons)
		}
	})
}

// A context whose Watch was stopped in the turn in which it began may be watched again
// at once: the first has nothing more to do with it.
func TestWatchedAgainInOneTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		wc.Set("first", waitctx.Wait{FD: 7})
		w, err := s.Watch(&wc, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Stop()
		if !wc.Reset() {
			t.Fatal("Reset() = false")
		}
		wc.Set("second", waitctx.Wait{FD: 7, Cleanup: func(any, waitctx.Wait) { t.Error("the wait was dropped") }})
		if w, err = s.Watch(&wc, nil); err != nil {
			t.Fatal(err)
		}
		s.RunOnce(0)
		if log := m.Log(); len(log) != 1 || wc.Len() != 1 || wc.Err("second") != nil {
			t.Errorf("the poller was told %v, %d waits are left, %v; want one add, one wait, no error", log, wc.Len(), wc.Err("second"))
		}
		wc.Clear("second")
		w.Stop()
		s.RunOnce(0)
	})
}

// A Cleanup of what the kernel refused may stop its own Watch, and another may begin
// right there.
func TestWatchStoppedByItsCleanup(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const closed = 1 << 20 // a number that is not open
	var first, next waitctx.WaitCtx
	var w jobs.Watch
	reason := errors.New("not started")
	next.Set("key", waitctx.Wait{FD: closed})
	first.Set("key", waitctx.Wait{FD: closed, Cleanup: func(any, waitctx.Wait) {
		w.Stop()
		if _, err := s.Watch(&next, func(j jobs.Job) error { reason = j.Reason(); return nil }); err != nil {
			t.Error(err)
		}
	}})
	if w, err = s.Watch(&first, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.RunOnce(0)
	}
	if reason == nil || reason.Error() == "not started" {
		t.Errorf("the other's function was started with %v, want what the kernel refused", reason)
	}
	if !first.Reset() {
		t.Error("Reset() = false of the first")
	}
}

// A job of a Watch that was stopped cannot wait for it, also if its context is another
// Watch's by now.
func TestWaitKeyOfAStoppedWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		wc.Set("key", waitctx.Wait{FD: 7})
		m.SetReady(7, waitctx.ReadyIn)
		got := errors.New("not called")
		var w jobs.Watch
		w, err := s.Watch(&wc, func(j jobs.Job) error {
			w.Stop()
			for !wc.Reset() {
				j.Sleep(0)
			}
			wc.Set("key", waitctx.Wait{FD: 7})
			if _, err := s.Watch(&wc, nil); err != nil {
				t.Error(err)
			}
			got = j.Within(time.Hour, func() error { return j.WaitKey("key") })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.RunOnce(time.Hour)
		until(t, s)
		if got != jobs.ErrCanceled {
			t.Errorf("WaitKey() = %v, want ErrCanceled", got)
		}
	})
}

// There is a source for each connection at rest.
func TestSourceIsSmall(t *testing.T) {
	if jobs.SourceSize > 64 {
		t.Errorf("a source has %d bytes, want at most 64", jobs.SourceSize)
	}
}

// Of two watches that are ready in one turn the one of low priority comes last,
// though it was ready first.
func TestWatchOfLowPriority(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var ran []waitctx.FD
		first := watchOnce(t, s, m, 5, &ran)
		watchOnce(t, s, m, 6, &ran)
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
