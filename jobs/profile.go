package jobs

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
)

// renamed tells the watchdog and profiles the name of the running job.
func (s *Scheduler) renamed(t *task) {
	if s.dog != nil {
		s.dog.enter(t)
	}
	if s.profile {
		ctx := context.Background()
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("job", t.name)))
		trace.Log(ctx, "job", t.name)
	}
}

// profiled wraps a job's function: its goroutine is the next job's afterwards,
// and while a trace is taken the job is a region of it.
func profiled(fn func(Job) error) func(Job) error {
	return func(j Job) error {
		defer pprof.SetGoroutineLabels(context.Background())
		if trace.IsEnabled() {
			defer trace.StartRegion(context.Background(), "job").End()
		}
		return fn(j)
	}
}
