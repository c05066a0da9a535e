package jobs_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// panicOf returns what fn panics with.
func panicOf(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}

// The panic of a function of Post is that of who runs the loop, and what was posted
// after it is not lost, nor overtaken.
func TestPostPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var got []string
		post := func(name string) { s.Post(func() { got = append(got, name) }) }
		job := func(name string) { s.Go(func(jobs.Job) error { got = append(got, name); return nil }) }
		job("job 1")
		post("a")
		s.Post(func() { post("meanwhile"); panic("first") })
		post("b")
		job("job 2")
		s.Post(func() { panic("second") })
		for _, want := range []string{"first", "second"} {
			if v := panicOf(func() { s.RunOnce(0) }); v != want {
				t.Errorf("RunOnce panicked with %v, want %v", v, want)
			}
			if n := s.Live(); n != 2 {
				t.Errorf("Live() = %d after the %s panic, want 2", n, want)
			}
			if at, ok := s.Next(); !ok || at.After(time.Now()) {
				t.Errorf("Next() = %v, %v after the %s panic, want now", at, ok, want)
			}
			post("after the " + want)
		}
		until(t, s)
		want := []string{"a", "b", "meanwhile", "after the first", "after the second", "job 1", "job 2"}
		if !slices.Equal(got, want) {
			t.Errorf("done %q, want %q", got, want)
		}
	})
}

// A host that goes on after a panic is told of what comes then, and a watchdog does not
// take the turn for one that goes on.
func TestHostGoesOnAfterAPanic(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		told := make(chan struct{}, 1)
		s.OnReady(func() { told <- struct{}{} })
		s.Post(func() { panic("boom") })
		<-told
		if v := panicOf(func() { s.RunOnce(0) }); v != "boom" {
			t.Errorf("RunOnce panicked with %v, want boom", v)
		}
		time.Sleep(time.Hour)
		done := false
		s.Post(func() { done = true })
		for !done {
			<-told
			s.RunOnce(0)
		}
	}, jobs.WithWatchdog(time.Second, func(stall jobs.Stall) { t.Errorf("reported: %v", stall) }))
}

// What panics while a scheduler is closed keeps nothing from being closed, whoever
// unwinds the jobs.
func TestCloseThroughPanics(t *testing.T) {
	for name, end := range map[string]func(s *jobs.Scheduler) any{
		"Close": func(s *jobs.Scheduler) any { return panicOf(func() { s.Close() }) },
		"RunOnce": func(s *jobs.Scheduler) (v any) {
			closed := make(chan error, 1)
			s.Post(func() {
				go func() { closed <- s.Close() }()
				for s.Post(func() {}) { // until it has begun
				}
			})
			panicOf(func() { s.RunOnce(0) }) // by what was posted before
			v = panicOf(func() { s.RunOnce(0) })
			select {
			case err := <-closed:
				if err != nil {
					return err
				}
				return v
			case <-time.After(10 * time.Second):
				return "Close() has not returned after 10 s"
			}
		},
	} {
		s, err := jobs.New(jobs.WithErrors(func(_ string, err error) { panic(err) }))
		if err != nil {
			t.Fatal(err)
		}
		const n = 5
		unwound := 0
		for range n {
			s.Go(func(j jobs.Job) error {
				err := j.Park()
				unwound++
				return err
			})
		}
		cleaned := false
		wc := new(waitctx.WaitCtx)
		r, _ := pipe(t)
		wc.Set("key", waitctx.Wait{FD: waitctx.FD(r), Cleanup: func(any, waitctx.Wait) { cleaned = true }})
		if _, err := s.Watch(wc, nil); err != nil {
			t.Fatal(err)
		}
		s.RunOnce(0)
		s.Post(func() { panic(io.EOF) })
		s.Go(func(jobs.Job) error { unwound++; return nil })
		if v := end(s); v != jobs.ErrClosed && v != io.EOF {
			t.Errorf("%s: panicked with %v, want ErrClosed or EOF", name, v)
		}
		if unwound != n+1 || !cleaned || s.Live() != 0 {
			t.Errorf("%s: %d jobs unwound, %d live, cleaned up %v, want %d, 0, true", name, unwound, s.Live(), cleaned, n+1)
		}
		if _, err := jobs.PollerOf(s).Wait(make([]waitctx.Event, 1), 0); !errors.Is(err, waitctx.ErrClosed) {
			t.Errorf("%s: the poller's Wait() = %v, want ErrClosed", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close() again = %v, want nil", name, err)
		}
	}
}

// A Cleanup that panics keeps nobody else's waits from the poller.
func TestCleanupPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
		s.Go(func(j jobs.Job) error {
			j.WaitCtx().Set(1, waitctx.Wait{FD: 5, Cleanup: func(any, waitctx.Wait) { panic("cleanup") }})
			j.Sleep(time.Millisecond)
			j.WaitCtx().Release(1)
			return j.Sleep(time.Millisecond)
		})
		got := errors.New("still waiting")
		s.Go(func(j jobs.Job) error {
			j.Sleep(time.Millisecond)
			j.WaitCtx().Set(2, waitctx.Wait{FD: 6})
			j.Sleep(time.Millisecond)
			j.WaitCtx().Set(3, waitctx.Wait{FD: 7})
			got = j.WaitKey(3)
			return nil
		})
		m.SetReady(7, waitctx.ReadyIn)
		panics := 0
		for range 20 {
			func() {
				defer func() {
					if recover() != nil {
						panics++
					}
				}()
				s.RunOnce(time.Millisecond)
			}()
		}
		if panics != 1 || got != nil {
			t.Errorf("%d panics and WaitKey() = %v of what is ready, want 1 and nil", panics, got)
		}
	})
}

// A Cleanup that panics as its job ends leaves no job behind, and those that come after
// it run in a later turn.
func TestCleanupPanicsAtTheEndOfAJob(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		others := 0
		for range 3 {
			s.Go(func(j jobs.Job) error { // the poller is never told of this wait
				return j.WaitCtx().Set(1, waitctx.Wait{FD: 5, Cleanup: func(any, waitctx.Wait) { panic("cleanup") }})
			})
			s.Go(func(jobs.Job) error { others++; return nil })
		}
		panics := 0
		for range 5 {
			if v := panicOf(func() { s.RunOnce(0) }); v == "cleanup" {
				panics++
			} else if v != nil {
				t.Errorf("RunOnce panicked with %v", v)
			}
		}
		if n := s.Live(); panics != 3 || others != 3 || n != 0 {
			t.Errorf("%d panics, %d other jobs, %d live, want 3, 3 and 0", panics, others, n)
		}
	})
}

// A Cleanup that panics takes nothing from the job whose wait was refused, nor from
// the other Cleanups, and its context can be used again.
func TestCleanupPanicsOfARefusedWait(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	boom := func(any, waitctx.Wait) { ran++; panic("cleanup") }
	const closed = 1 << 20 // a number that is not open
	var got error
	s.Go(func(j jobs.Job) error {
		j.WaitCtx().Set(1, waitctx.Wait{FD: closed, Cleanup: boom})
		j.WaitCtx().Set(2, waitctx.Wait{FD: closed + 1, Cleanup: boom})
		got = j.WaitKey(1)
		return nil
	})
	var wc waitctx.WaitCtx
	wc.Set("key", waitctx.Wait{FD: closed, Cleanup: boom})
	w, err := s.Watch(&wc, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		panicOf(func() { s.RunOnce(0) })
	}
	if got == nil || ran != 3 {
		t.Errorf("WaitKey() = %v of what the kernel refused and %d Cleanups ran, want an error and 3", got, ran)
	}
	w.Stop()
	panicOf(func() { s.RunOnce(0) })
	if !wc.Reset() {
		t.Error("Reset() = false: the context is bound still")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}
