//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/poller"
	"bide/waitctx"
)

// tally is a poller that counts the changes it is given, and the Waits.
type tally struct {
	poller.Poller
	changes map[waitctx.Op]int
	waits   int
}

func (p *tally) Wait(dst []waitctx.Event, timeout time.Duration) (int, error) {
	p.waits++
	return p.Poller.Wait(dst, timeout)
}

func (p *tally) Apply(changes []waitctx.Change) error {
	for _, c := range changes {
		p.changes[c.Op]++
	}
	return p.Poller.Apply(changes)
}

func newTally(t *testing.T) *tally {
	t.Helper()
	p, err := poller.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return &tally{Poller: p, changes: make(map[waitctx.Op]int)}
}

// run runs fn as a job of a scheduler over p, to its end.
func run(t *testing.T, p poller.Poller, fn func(jobs.Job) error) error {
	t.Helper()
	s, err := jobs.New(jobs.WithPoller(p), jobs.WithErrors(func(string, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil || s.Live() != 0 {
			t.Errorf("Close() = %v with %d jobs live, want nil, 0", err, s.Live())
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var result error
	s.Go(func(j jobs.Job) error {
		defer cancel()
		result = fn(j)
		return nil
	})
	s.Run(ctx)
	return result
}

// TestStableFD: 500 operations of two engines on one WaitCtx cost two adds and,
// at the job's end, two deletes.
func TestStableFD(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	p := newTally(t)
	err := run(t, p, func(j jobs.Job) error {
		a, b := &engine{"a"}, &engine{"b"}
		for n := range 500 {
			text := fmt.Appendf(nil, "message %d", n)
			first, err := a.start(j, text)
			if err != nil {
				return err
			}
			second, err := b.start(j, text)
			if err != nil {
				return err
			}
			for _, op := range []*operation{second, first} {
				sum, err := op.wait(j)
				if err != nil || sum != sha256.Sum256(text) {
					return fmt.Errorf("digest %d = %x, %v", n, sum, err)
				}
			}
			if n := j.WaitCtx().Len(); n != 2 {
				return fmt.Errorf("%d waits, want 2", n)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if adds, deletes, mods := p.changes[waitctx.OpAdd], p.changes[waitctx.OpDelete], p.changes[waitctx.OpModify]; adds != 2 || deletes != 2 || mods != 0 {
		t.Errorf("%d adds, %d deletes, %d modifies, want 2, 2, 0", adds, deletes, mods)
	}
}

// TestOtherEnginesDoNotResume: a finished operation that nobody waits for yet
// costs the loop nothing while the job waits for another engine's.
func TestOtherEnginesDoNotResume(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	p := newTally(t)
	err := run(t, p, func(j jobs.Job) error {
		a, b := &engine{"a"}, &engine{"b"}
		first, err := a.start(j, []byte("x"))
		if err != nil {
			return err
		}
		<-first.done
		s, err := b.signalIn(j.WaitCtx())
		if err != nil {
			return err
		}
		second := &operation{e: b, s: s, done: make(chan struct{})}
		time.AfterFunc(20*time.Millisecond, func() {
			second.run([]byte("x"))
			s.raise()
		})
		before := p.waits
		if _, err := second.wait(j); err != nil {
			return err
		}
		if n := p.waits - before; n > 10 {
			return fmt.Errorf("%d turns of the loop", n)
		}
		_, err = first.wait(j)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOnPool: the same engine under a host with a loop of its own, which applies
// the differences and resumes whatever is ready.
func TestOnPool(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	p := newTally(t)
	pool, err := jobs.NewPool(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var wc waitctx.WaitCtx
	apply := func() {
		changes := wc.Changes(nil)
		if err := p.Apply(changes); err != nil {
			t.Fatal(err)
		}
		wc.Ack()
	}
	e := &engine{"a"}
	j, status, err := pool.Start(&wc, func(j jobs.Job) error {
		for n := range 100 {
			text := fmt.Appendf(nil, "message %d", n)
			if sum, err := e.digest(j, text); err != nil || sum != sha256.Sum256(text) {
				return fmt.Errorf("digest %d = %x, %v", n, sum, err)
			}
		}
		return nil
	})
	for status == jobs.Paused {
		apply()
		var events [4]waitctx.Event
		if n, err := p.Wait(events[:], time.Minute); n == 0 || err != nil {
			t.Fatalf("Wait() = %d, %v, want an event", n, err)
		}
		status, err = j.Resume()
	}
	if status != jobs.Finished || err != nil {
		t.Errorf("the job ended with %v, %v, want Finished, nil", status, err)
	}
	if wc.Close(); wc.Len() != 0 {
		t.Errorf("%d waits after Close", wc.Len())
	}
	apply() // deletes, and then the cleanup closes the pipe
}

// TestGivenUp: a job that is canceled leaves its operation behind, whose late
// signal reaches nobody, and no file that has the pipe's numbers.
func TestGivenUp(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	p := newTally(t)
	late := new(signal)
	err := run(t, p, func(j jobs.Job) error {
		e := &engine{"a"}
		s, err := e.signalIn(j.WaitCtx())
		if err != nil {
			return err
		}
		late = s
		j.Cancel(nil)
		if _, err := (&operation{e: e, s: s, done: make(chan struct{})}).wait(j); !errors.Is(err, jobs.ErrCanceled) {
			return fmt.Errorf("wait() = %v, want ErrCanceled", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if !late.closed {
		t.Error("the cleanup has not run")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	late.raise()
	w.Close()
	if n, _ := r.Read(make([]byte, 8)); n != 0 {
		t.Errorf("%d stray bytes", n)
	}
	r.Close()
}

// TestOutsideAJob: the same code runs synchronously.
func TestOutsideAJob(t *testing.T) {
	want := sha256.Sum256([]byte("x"))
	if sum, err := (&engine{"a"}).digest(jobs.Job{}, []byte("x")); sum != want || err != nil {
		t.Errorf("digest() = %x, %v, want %x, nil", sum, err, want)
	}
	if sum, err := (wakerEngine{}).digest(jobs.Job{}, []byte("x")); sum != want || err != nil {
		t.Errorf("digest() = %x, %v, want %x, nil", sum, err, want)
	}
}

// TestDemo runs what main does: two engines at a time and one with a Waker.
func TestDemo(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	if err := run(t, newTally(t), demo); err != nil {
		t.Error(err)
	}
}
