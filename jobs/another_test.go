package jobs_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/pollertest"
)

// Jobs that begin in one turn run one after the other on a coroutine, as long as
// it is free: one that pauses keeps it, and one that ends by Goexit spoils it.
// However a job ends, its error is its own and the next begins.
func TestJobsOfATurnShareACoroutine(t *testing.T) {
	var reported []string
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var order []string
		on := map[string]string{} // job to goroutine
		job := func(name string, fn func(jobs.Job) error) {
			s.Go(func(j jobs.Job) error {
				j.SetName(name)
				order = append(order, name)
				on[name] = goroutine()
				return fn(j)
			})
		}
		ends := func(jobs.Job) error { return nil }
		job("a", ends)
		job("fails", func(jobs.Job) error { return errors.New("as it should") })
		job("panics", func(jobs.Job) error { panic("as it should") })
		job("b", ends)
		job("pauses", func(j jobs.Job) error {
			defer func() { order = append(order, "resumed") }()
			return j.Sleep(0)
		})
		job("c", ends)
		job("exits", func(jobs.Job) error { runtime.Goexit(); return nil })
		job("d", ends)
		until(t, s)
		if want := []string{"a", "fails", "panics", "b", "pauses", "c", "exits", "d", "resumed"}; !slices.Equal(order, want) {
			t.Errorf("the jobs ran in the order %v, want %v", order, want)
		}
		for _, same := range [][]string{{"a", "fails", "panics", "b", "pauses"}, {"c", "exits"}, {"d"}} {
			for _, name := range same {
				if on[name] != on[same[0]] {
					t.Errorf("%s ran on %s, want that of %s, %s", name, on[name], same[0], on[same[0]])
				}
			}
		}
		if on["a"] == on["c"] || on["c"] == on["d"] || on["a"] == on["d"] {
			t.Errorf("jobs share a coroutine that was not free: %v", on)
		}
		if st := s.Live(); st != 0 {
			t.Errorf("Live() = %d, want 0", st)
		}
	}, jobs.WithErrors(func(name string, err error) {
		var p *jobs.PanicError
		switch {
		case errors.As(err, &p):
			err = fmt.Errorf("panic %v", p.Value)
		case errors.Is(err, jobs.ErrGoexit):
			err = errors.New("goexit")
		}
		reported = append(reported, fmt.Sprintf("%s: %v", name, err))
	}))
	if want := []string{"fails: as it should", "panics: panic as it should", "exits: goexit"}; !slices.Equal(reported, want) {
		t.Errorf("reported %q, want %q", reported, want)
	}
}

// A job that is resumed goes on where it paused, also behind one that begins and
// ends in the same turn.
func TestResumedJobKeepsItsCoroutine(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		var order []string
		s.Go(func(j jobs.Job) error {
			order = append(order, "begun")
			err := j.Sleep(time.Second)
			order = append(order, "resumed")
			return err
		})
		s.RunOnce(0)
		time.Sleep(time.Second)
		s.Go(func(jobs.Job) error { order = append(order, "between"); return nil })
		s.RunOnce(0)
		if want := []string{"begun", "between", "resumed"}; !slices.Equal(order, want) {
			t.Errorf("the jobs ran in the order %v, want %v", order, want)
		}
	})
}

// Low jobs still run one a turn.
func TestLowJobsDoNotGoOnTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
		ran := 0
		for range 3 {
			s.GoLow(func(jobs.Job) error { ran++; return nil })
		}
		for turn := 1; turn <= 3; turn++ {
			if s.RunOnce(0); ran != turn {
				t.Errorf("%d low jobs ran in %d turns", ran, turn)
			}
		}
	})
}

// goroutine names the goroutine that calls it.
func goroutine() string {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	name, _, _ := bytes.Cut(buf, []byte(" ["))
	return string(name)
}
