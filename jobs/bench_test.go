package jobs_test

import (
	"iter"
	"testing"

	"bide/jobs"
)

func BenchmarkPauseResume(b *testing.B) {
	b.Run("job", func(b *testing.B) {
		b.ReportAllocs()
		p, _ := jobs.NewPool(1, 1)
		defer p.Close()
		j, _, _ := p.Start(nil, func(j jobs.Job) error {
			for {
				if err := j.Pause(); err != nil {
					return err
				}
			}
		})
		for b.Loop() {
			j.Resume()
		}
	})
	b.Run("iter.Pull", benchPull)
}

func BenchmarkStartFinish(b *testing.B) {
	b.Run("job", func(b *testing.B) {
		b.ReportAllocs()
		p, _ := jobs.NewPool(1, 1)
		defer p.Close()
		fn := func(jobs.Job) error { return nil }
		for b.Loop() {
			p.Start(nil, fn)
		}
	})
	b.Run("iter.Pull", benchPull)
}

func benchPull(b *testing.B) {
	b.ReportAllocs()
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		for yield(struct{}{}) {
		}
	})
	defer stop()
	for b.Loop() {
		next()
	}
}
