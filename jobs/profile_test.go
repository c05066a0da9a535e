package jobs_test

import (
	"bytes"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"testing"

	"bide/jobs"
	"bide/poller/pollertest"
)

func profiled(t *testing.T) *jobs.Scheduler {
	s, err := jobs.New(jobs.WithPoller(pollertest.NewMemory()), jobs.WithProfiling())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A job's name is its goroutine's label, and not that of the job the coroutine
// runs next.
func TestProfilingLabelsTheGoroutine(t *testing.T) {
	s := profiled(t)
	profile := func() string {
		var b bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const label = `{"job":"labelled"}`
	var named, next string
	s.Go(func(j jobs.Job) error {
		j.SetName("labelled")
		named = profile()
		return nil
	})
	until(t, s)
	s.Go(func(jobs.Job) error {
		next = profile()
		return nil
	})
	until(t, s)
	if !strings.Contains(named, label) {
		t.Errorf("no label %s in the profile of the job:\n%s", label, named)
	}
	if strings.Contains(next, label) {
		t.Errorf("the label %s in the profile of the next job:\n%s", label, next)
	}
}

// While a trace is taken it has the jobs' names.
func TestProfilingIsInTraces(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("a trace is being taken already")
	}
	s := profiled(t)
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	s.Go(func(j jobs.Job) error {
		j.SetName("traced by its name")
		return nil
	})
	until(t, s)
	trace.Stop()
	if !bytes.Contains(b.Bytes(), []byte("traced by its name")) {
		t.Errorf("a trace of %d bytes does not have the job's name", b.Len())
	}
}
