package jobs_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"bide/internal/versus"
	"bide/jobs"
	"bide/poller"
	"bide/waitctx"
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

// BenchmarkStart is the whole life of a Scheduler's job, started at once.
func BenchmarkStart(b *testing.B) {
	s, _ := jobs.New(jobs.WithPoller(idlePoller{}))
	defer s.Close()
	fn := func(jobs.Job) error { return nil }
	bare, stop := barePull()
	defer stop()
	versus.Steps(b, versus.Side{Name: "job", Run: func(n int) {
		for range n {
			s.Start(fn)
		}
	}}, versus.Side{Name: "iter.Pull", Run: bare})
}

// BenchmarkRenew is the life of one of 16 jobs that follow each other; with a
// pause it goes to the loop and back, by a Waker that was signalled before.
func BenchmarkRenew(b *testing.B) {
	for _, pause := range []bool{false, true} {
		b.Run(fmt.Sprintf("pause=%v", pause), func(b *testing.B) {
			s, _ := jobs.New(jobs.WithPoller(idlePoller{}))
			defer s.Close()
			left := 0
			fn := func(j jobs.Job) error {
				for ; left > 0; left-- {
					if pause {
						j.Waker().Wake()
						j.Park()
					}
					j, _ = j.Renew()
				}
				return nil
			}
			bare, stop := barePull()
			defer stop()
			versus.Steps(b, versus.Side{Name: "job", Run: func(n int) {
				for range n / 16 {
					left = 16
					for s.Start(fn); left > 0 || s.Live() > 0; {
						s.RunOnce(0)
					}
				}
			}}, versus.Side{Name: "iter.Pull", Run: bare})
		})
	}
}

// idlePoller has nothing to tell.
type idlePoller struct{ poller.Poller }

func (idlePoller) Wait([]waitctx.Event, time.Duration) (int, error) { return 0, nil }
func (idlePoller) Caps() waitctx.Caps                               { return waitctx.Caps{} }
func (idlePoller) Wake() error                                      { return nil }

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
