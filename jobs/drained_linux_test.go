package jobs_test

import (
	"testing"

	"bide/jobs"
)

// Edges cost an epoll_ctl only where something may have been left.
func TestDrainedCostsNoEpollCtl(t *testing.T) {
	s, p := onEpoll(t)
	runs, reads := 0, true
	var drain func()
	fn := func(jobs.Job) error {
		if runs++; reads {
			drain()
		}
		return nil
	}
	w, r, peer := edged(t, s, fn)
	drain = func() { r.Drain(); w.SetDrained() }
	before := p.Stats().Ctl
	for want := 1; want <= 100; want++ {
		peer.Write("x")
		turns(t, s, func() bool { return runs == want })
	}
	if n := p.Stats().Ctl - before; n != 0 {
		t.Errorf("100 starts of a function that drains cost %d epoll_ctl, want 0", n)
	}
	w.SetFunc(func(jobs.Job) error {
		runs++
		w.SetFunc(nil)
		return nil
	})
	peer.Write("x")
	turns(t, s, func() bool { return runs == 101 })
	if some(s); p.Stats().Ctl != before {
		t.Errorf("a function that is not there any more when it returns cost %d epoll_ctl, want 0", p.Stats().Ctl-before)
	}
	runs = 100
	drain()
	w.SetFunc(fn)
	reads = false
	peer.Write("x")
	turns(t, s, func() bool { return runs == 110 })
	if n := p.Stats().Ctl - before; n != 9 { // the look after the last one is in the next turn
		t.Errorf("10 starts of a function that leaves something cost %d epoll_ctl, want one between two", n)
	}
	reads = true
	some(s)

	w.SetFunc(nil)
	waits := 0
	var waker jobs.Waker
	s.Go(func(j jobs.Job) error {
		waker = j.Waker()
		for {
			if err := j.Park(); err != nil {
				return err
			}
			drain()
			waits++
			if err := w.Wait(j); err != nil {
				return err
			}
			drain()
			waits++
		}
	})
	some(s)
	unawaited := s.Unawaited()
	for range 3 {
		peer.Write("x")
		some(s)
	}
	if n := s.Unawaited() - unawaited; n != 2 {
		t.Errorf("of 3 arrivals that nobody waits for %d were told, want 2", n)
	}
	waker.Wake()
	some(s)
	peer.Write("x")
	some(s)

	before = p.Stats().Ctl
	waits = 0
	for range 100 {
		peer.Write("x")
		some(s) // nobody waits
		waker.Wake()
		some(s)
		peer.Write("x")
		some(s)
	}
	if n := p.Stats().Ctl - before; n != 0 || waits != 200 {
		t.Errorf("%d arrivals, each second one while the job was elsewhere, cost %d epoll_ctl, want 200 and 0", waits, n)
	}
}
