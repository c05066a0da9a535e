package jobs_test

import (
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// Whichever of the limits comes first ends the wait, and only those that have passed
// are felt afterwards.
func TestWithinTheEarliestLimitCounts(t *testing.T) {
	const none, ever = time.Duration(0), time.Duration(-1)
	sleep := func(d time.Duration) func(jobs.Job) error {
		return func(j jobs.Job) error { return j.Sleep(d * time.Second) }
	}
	within := func(d time.Duration, fn func(jobs.Job) error) func(jobs.Job) error {
		limit := d * time.Second
		if d == ever {
			limit = math.MaxInt64
		}
		return func(j jobs.Job) error { return j.Within(limit, func() error { return fn(j) }) }
	}
	setting := func(d time.Duration, fn func(jobs.Job) error) func(jobs.Job) error {
		return func(j jobs.Job) error {
			at := time.Time{}
			if d != none {
				at = time.Now().Add(d * time.Second)
			}
			return errors.Join(j.SetDeadline(at), fn(j))
		}
	}
	after := func(first, fn func(jobs.Job) error) func(jobs.Job) error {
		return func(j jobs.Job) error { first(j); return fn(j) }
	}
	for name, tc := range map[string]struct {
		deadline time.Duration // of the job
		run      func(jobs.Job) error
		late     bool          // run ends by a limit
		took     time.Duration // by run
		then     bool          // the job's own deadline has passed
	}{
		"in time":                 {none, within(2, sleep(1)), false, 1, false},
		"not in time":             {none, within(2, sleep(3)), true, 2, false},
		"no time":                 {none, within(0, sleep(3)), true, 0, false},
		"time for ever":           {none, after(sleep(1), within(ever, sleep(3))), false, 4, false},
		"before the deadline":     {5, within(2, sleep(3)), true, 2, false},
		"in time, twice":          {none, after(within(2, sleep(1)), within(2, sleep(1))), false, 2, false},
		"once more":               {none, after(within(2, sleep(3)), within(2, sleep(1))), false, 3, false},
		"again and again":         {9, after(within(2, sleep(3)), within(2, sleep(3))), true, 4, false},
		"after the deadline":      {2, within(5, sleep(9)), true, 2, true},
		"after both":              {2, within(1, after(sleep(9), within(3, sleep(9)))), true, 1, false},
		"inner before outer":      {none, within(3, within(2, sleep(9))), true, 2, false},
		"outer before inner":      {none, within(2, within(3, sleep(9))), true, 2, false},
		"outer after inner":       {none, within(3, after(within(2, sleep(9)), sleep(9))), true, 3, false},
		"in time after inner":     {none, within(4, after(within(2, sleep(9)), sleep(1))), false, 3, false},
		"late and then done":      {none, within(1, after(sleep(9), func(jobs.Job) error { return nil })), false, 1, false},
		"earlier deadline in it":  {none, within(3, setting(2, sleep(9))), true, 2, false},
		"later deadline in it":    {none, within(3, setting(5, sleep(9))), true, 3, false},
		"no deadline in it":       {2, within(3, setting(none, sleep(9))), true, 3, true},
		"deadline of it put off":  {none, within(9, setting(1, after(sleep(9), setting(3, sleep(2))))), false, 3, false},
		"deadline of it is gone":  {none, after(within(9, setting(2, sleep(1))), sleep(3)), false, 4, false},
		"its own does not exceed": {none, within(2, after(sleep(9), setting(5, sleep(9)))), true, 2, false},
	} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			var got, then error
			var took time.Duration
			s.Go(func(j jobs.Job) error {
				begin := time.Now()
				if tc.deadline != none {
					j.SetDeadline(begin.Add(tc.deadline * time.Second))
				}
				got = tc.run(j)
				took = time.Since(begin)
				then = j.Sleep(time.Millisecond)
				return nil
			})
			until(t, s)
			took = took.Truncate(time.Millisecond) // a limit of no time is a nanosecond
			if late := errors.Is(got, os.ErrDeadlineExceeded); late != tc.late || !late && got != nil || took != tc.took*time.Second {
				t.Errorf("%s: %v after %v, want late %v after %v", name, got, took, tc.late, tc.took*time.Second)
			}
			if passed := errors.Is(then, os.ErrDeadlineExceeded); passed != tc.then || !passed && then != nil {
				t.Errorf("%s: Sleep() afterwards = %v, want past the deadline %v", name, then, tc.then)
			}
		})
	}
}

// However the function ends, the deadline is the former one.
func TestWithinIsLeftByPanicAndGoexit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		after := map[string]error{}
		for name, leave := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
			s.Go(func(j jobs.Job) error {
				defer func() {
					recover()
					after[name] = j.Sleep(time.Second)
				}()
				return j.Within(time.Second, func() error {
					err := j.Sleep(time.Hour)
					leave()
					return err
				})
			})
		}
		until(t, s)
		for name, err := range after {
			if err != nil {
				t.Errorf("after a %s Sleep() = %v, want nil", name, err)
			}
		}
		if len(after) != 2 {
			t.Errorf("%d jobs went on, want 2", len(after))
		}
	}, jobs.WithErrors(func(string, error) {}))
}

// A cancel outlasts it, before its time has passed and after.
func TestWithinAndCancel(t *testing.T) {
	for sleep, want := range map[time.Duration]error{time.Second: io.EOF, time.Hour: os.ErrDeadlineExceeded} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
			var in, after error
			s.Go(func(j jobs.Job) error {
				j.Within(time.Minute, func() error {
					j.Sleep(sleep)
					j.Cancel(io.EOF)
					in = j.Sleep(0)
					return nil
				})
				after = j.Sleep(0)
				return nil
			})
			until(t, s)
			if in != want || after != io.EOF {
				t.Errorf("after %v: a wait in it = %v, one after it %v, want %v, EOF", sleep, in, after, want)
			}
		})
	}
}

// The job that the function goes on as after Renew has no deadline.
func TestWithinRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var got error
		s.Go(func(j jobs.Job) (err error) {
			j.SetDeadline(time.Now().Add(time.Minute))
			next := j
			j.Within(time.Second, func() error { next, err = j.Renew(); return err })
			got = errors.Join(err, next.Sleep(time.Hour))
			return nil
		})
		until(t, s)
		if got != nil {
			t.Errorf("Sleep() of the new job = %v, want nil", got)
		}
	})
}

// What cannot be limited is not run.
func TestWithinRefuses(t *testing.T) {
	run := func() error { t.Error("the function ran"); return nil }
	if err := (jobs.Job{}).Within(time.Second, run); err != jobs.ErrNotLoop {
		t.Errorf("Within() outside a job = %v, want ErrNotLoop", err)
	}
	p := newPool(t, 1, 0)
	mustStart(t, p, nil, func(j jobs.Job) error {
		if err := j.Within(time.Second, run); err != jobs.ErrNotLoop {
			t.Errorf("Within() in a Pool's job = %v, want ErrNotLoop", err)
		}
		return nil
	}, jobs.Finished)
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		a := s.Go(func(a jobs.Job) error { return a.Sleep(time.Second) })
		s.RunOnce(0)
		s.Go(func(jobs.Job) error {
			if err := a.Within(time.Second, run); !errors.Is(err, waitctx.ErrBusy) {
				t.Errorf("Within() of another job = %v, want ErrBusy", err)
			}
			return nil
		})
		until(t, s)
		if err := a.Within(time.Second, run); err != jobs.ErrStale {
			t.Errorf("Within() of a job that has ended = %v, want ErrStale", err)
		}
	})
}

// Limits that follow each other share a timer, and cost nothing else.
func TestWithinCostsNothing(t *testing.T) {
	for _, deadline := range []time.Duration{0, 2 * time.Hour} {
		s, err := jobs.New(jobs.WithPoller(idlePoller{}))
		if err != nil {
			t.Fatal(err)
		}
		s.Go(func(j jobs.Job) error {
			if deadline != 0 {
				j.SetDeadline(time.Now().Add(deadline))
			}
			fn := func() error { return nil }
			if n := testing.AllocsPerRun(1000, func() { j.Within(time.Hour, fn) }); n != 0 {
				t.Errorf("with a deadline of %v: %v allocations, want none", deadline, n)
			}
			return nil
		})
		for s.Live() > 0 {
			s.RunOnce(0)
		}
		if n := jobs.Timers(s); n > 2 {
			t.Errorf("with a deadline of %v: %d timers, want one, and one of the deadline", deadline, n)
		}
		s.Close()
	}
}

// A Watch's deadline has passed and its function is about to begin, when a job takes
// the function away and moves or clears the deadline. What it said last holds.
func TestDeadlineMovedBeforeTheFunctionBegins(t *testing.T) {
	for _, to := range []time.Duration{0, time.Hour} {
		inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
			var wc waitctx.WaitCtx
			wc.Set("k", waitctx.Wait{FD: 5})
			w, err := s.Watch(&wc, func(jobs.Job) error { t.Error("the function began"); return nil })
			if err != nil {
				t.Fatal(err)
			}
			got := errors.New("nothing")
			s.Go(func(j jobs.Job) error {
				j.Sleep(time.Millisecond) // ends in the turn of the deadline, and before it
				w.SetFunc(nil)
				if to == 0 {
					w.SetDeadline(time.Time{})
				} else {
					w.SetDeadline(time.Now().Add(to))
				}
				got = w.Wait(j)
				return nil
			})
			s.RunOnce(0)
			w.SetDeadline(time.Now().Add(1500 * time.Microsecond))
			time.Sleep(10 * time.Millisecond)
			for range 4 {
				s.RunOnce(0)
			}
			m.SetReady(5, waitctx.ReadyIn)
			until(t, s)
			if got != nil {
				t.Errorf("moved to %v: Wait() = %v of what is ready, want nil", to, got)
			}
		})
	}
}

// A deadline that passed while a Watch had no function starts the one it gets.
func TestDeadlinePassedBeforeSetFunc(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		var wc waitctx.WaitCtx
		wc.Set("k", waitctx.Wait{FD: 5})
		w, err := s.Watch(&wc, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.SetDeadline(time.Now().Add(time.Millisecond))
		time.Sleep(2 * time.Millisecond)
		s.RunOnce(0)
		var reasons []error
		w.SetFunc(func(j jobs.Job) error { reasons = append(reasons, j.Reason()); return nil })
		for range 4 {
			s.RunOnce(0)
		}
		if len(reasons) != 1 || reasons[0] != os.ErrDeadlineExceeded {
			t.Errorf("started for %v, want once for the deadline", reasons)
		}
	})
}

// Deadlines without a monotonic reading are right after the clock was set.
func TestDeadlineAfterTheClockWasSet(t *testing.T) {
	s, err := jobs.New(jobs.WithPoller(pollertest.NewMemory()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	jobs.SetClockForward(s, time.Hour)
	s.Go(func(j jobs.Job) error {
		j.SetDeadline(time.Now().Add(time.Millisecond).Round(0))
		if err := j.Sleep(5 * time.Second); err != os.ErrDeadlineExceeded {
			t.Errorf("Sleep() = %v past a deadline by the wall clock, want %v", err, os.ErrDeadlineExceeded)
		}
		return nil
	})
	s.Go(func(j jobs.Job) error {
		j.SetDeadline(time.Now().Add(time.Minute).Round(0))
		if err := j.Sleep(time.Millisecond); err != nil {
			t.Errorf("Sleep() = %v before a deadline by the wall clock, want nil", err)
		}
		return nil
	})
	turns(t, s, idle(s))
}
