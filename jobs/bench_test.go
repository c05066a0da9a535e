package jobs_test

import (
	"iter"
	"testing"

	"bide/internal/versus"
	"bide/jobs"
)

// BenchmarkPauseResume is a resume and pause of a job, beside a step of a bare
// iter.Pull.
func BenchmarkPauseResume(b *testing.B) {
	p, _ := jobs.NewPool(1, 1)
	defer p.Close()
	j, _, _ := p.Start(nil, func(j jobs.Job) error {
		for {
			if err := j.Pause(); err != nil {
				return err
			}
		}
	})
	bare, stop := barePull()
	defer stop()
	versus.Steps(b, versus.Side{Name: "job", Run: func(n int) {
		for range n {
			j.Resume()
		}
	}}, versus.Side{Name: "iter.Pull", Aim: versus.AtMost(1.2), Run: bare})
}

// BenchmarkStartFinish is the whole life of a pooled job, beside the same step.
func BenchmarkStartFinish(b *testing.B) {
	p, _ := jobs.NewPool(1, 1)
	defer p.Close()
	fn := func(jobs.Job) error { return nil }
	bare, stop := barePull()
	defer stop()
	versus.Steps(b, versus.Side{Name: "job", Run: func(n int) {
		for range n {
			p.Start(nil, fn)
		}
	}}, versus.Side{Name: "iter.Pull", Aim: versus.AtMost(1.5), Run: bare})
}

func barePull() (steps func(n int), stop func()) {
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		for yield(struct{}{}) {
		}
	})
	return func(n int) {
		for range n {
			next()
		}
	}, stop
}
