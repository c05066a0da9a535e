package bench

import (
	"iter"
	"testing"

	"bide/internal/versus"
	"bide/jobs"
	"bide/waitctx"
)

func BenchmarkResume(b *testing.B) {
	versus.Steps(b, resumeJob(b), append(openSSLResume(), resumePull(b), resumeGoroutine(b))...)
}

func BenchmarkStartFinish(b *testing.B) {
	versus.Steps(b, startJob(b), append(openSSLStartFinish(), startPull(b), startGoroutine(b))...)
}

// TestSwitches: each side runs its coroutine once a step.
func TestSwitches(t *testing.T) {
	for name, side := range map[string]func(testing.TB) versus.Side{
		"resumeJob": resumeJob, "resumePull": resumePull, "resumeGoroutine": resumeGoroutine,
		"startJob": startJob, "startPull": startPull, "startGoroutine": startGoroutine,
	} {
		t.Run(name, func(t *testing.T) {
			s := side(t)
			ran = 0
			s.Run(3)
			if ran != 3 {
				t.Errorf("the coroutine ran %d times in 3 steps", ran)
			}
		})
	}
}

// ran counts what the coroutines of all sides do.
var ran int

func resumeJob(t testing.TB) versus.Side {
	p := newPool(t)
	j, status, err := p.Start(new(waitctx.WaitCtx), func(j jobs.Job) error {
		for {
			if err := j.Pause(); err != nil {
				return err
			}
			ran++
		}
	})
	if status != jobs.Paused || err != nil {
		t.Fatalf("Start() = %v, %v, want Paused, nil", status, err)
	}
	return versus.Side{Name: "bide", Run: func(n int) {
		for range n {
			if status, err := j.Resume(); status != jobs.Paused || err != nil {
				t.Fatalf("Resume() = %v, %v, want Paused, nil", status, err)
			}
		}
	}}
}

func newPool(t testing.TB) *jobs.Pool {
	p, err := jobs.NewPool(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func resumePull(t testing.TB) versus.Side {
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		for yield(struct{}{}) {
			ran++
		}
	})
	t.Cleanup(stop)
	next()
	return versus.Side{Name: "iter.Pull", Aim: versus.AtMost(1.15), Run: func(n int) {
		for range n {
			if _, ok := next(); !ok {
				t.Fatal("the coroutine has ended")
			}
		}
	}}
}

func resumeGoroutine(t testing.TB) versus.Side {
	resume, paused := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(resume) })
	go func() {
		for range resume {
			ran++
			paused <- struct{}{}
		}
	}()
	return versus.Side{Name: "goroutine", Run: func(n int) {
		for range n {
			resume <- struct{}{}
			<-paused
		}
	}}
}

func startJob(t testing.TB) versus.Side {
	p, wc := newPool(t), new(waitctx.WaitCtx)
	fn := func(jobs.Job) error { ran++; return nil }
	return versus.Side{Name: "bide", Run: func(n int) {
		for range n {
			if _, status, err := p.Start(wc, fn); status != jobs.Finished || err != nil {
				t.Fatalf("Start() = %v, %v, want Finished, nil", status, err)
			}
		}
	}}
}

func startPull(t testing.TB) versus.Side {
	fn := func(func(struct{}) bool) { ran++ }
	return versus.Side{Name: "iter.Pull", Run: func(n int) {
		for range n {
			next, stop := iter.Pull(fn)
			if _, ok := next(); ok {
				t.Fatal("the coroutine has not ended")
			}
			stop()
		}
	}}
}

func startGoroutine(testing.TB) versus.Side {
	done := make(chan struct{})
	fn := func() { ran++; done <- struct{}{} }
	return versus.Side{Name: "goroutine", Run: func(n int) {
		for range n {
			go fn()
			<-done
		}
	}}
}
