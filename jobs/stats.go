package jobs

import (
	"fmt"
	"time"
)

// Stats counts what a scheduler has done since it was made.
type Stats struct {
	Live      int    // jobs started and not ended
	Started   uint64 // jobs
	Failed    uint64 // jobs that returned an error
	Resumes   uint64
	Turns     uint64
	Events    uint64
	Unawaited uint64 // events nobody awaited, suppressed since
	Stale     uint64 // events and tokens of a registration that had ended
	LateWakes uint64 // wakes and cancels of jobs that had ended
}

// Live is the number of jobs started and not ended. Any goroutine may call it.
func (s *Scheduler) Live() int { return int(s.live.Load()) }

// onLoop runs fn on the loop and waits for it, or reports false if the
// scheduler is closed or did not get to it in a second.
func (s *Scheduler) onLoop(fn func()) bool {
	done := make(chan struct{})
	if !s.Post(func() { fn(); close(done) }) {
		return false
	}
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	select {
	case <-done:
		return true
	case <-timeout.C:
		return false
	}
}

// Stats asks the loop for its counters. Any goroutine but the loop's may call
// it. A loop that is closed or stuck answers with Live alone.
func (s *Scheduler) Stats() Stats {
	ch := make(chan Stats, 1)
	if !s.onLoop(func() { ch <- s.stats }) {
		return Stats{Live: s.Live()}
	}
	st := <-ch
	st.Live = s.Live()
	return st
}

// JobInfo describes a live job.
type JobInfo struct {
	Name  string
	Age   time.Duration // since SetName or the first listing that saw it
	Waits []string      // what it is paused on; none if it is runnable
}

// List asks the loop for its live jobs. Any goroutine but the loop's may call it.
func (s *Scheduler) List() []JobInfo {
	ch := make(chan []JobInfo, 1)
	if !s.onLoop(func() {
		now := time.Now()
		var list []JobInfo
		for _, t := range s.tasks {
			if t.born.IsZero() {
				t.born = now
			}
			list = append(list, JobInfo{t.name, now.Sub(t.born), t.waits()})
		}
		ch <- list
	}) {
		return nil
	}
	return <-ch
}

func (t *task) waits() []string {
	switch on := t.on.(type) {
	case nil:
		return nil
	case *source:
		var keys []string
		for key, w := range on.wc.All() {
			if k, ok := key.(waitKey); ok {
				keys = append(keys, fmt.Sprintf("fd %d", k.fd))
				continue
			}
			keys = append(keys, fmt.Sprintf("fd %d (%T)", w.FD, key))
		}
		return keys
	case *queue:
		return []string{on.what}
	case pausedOn:
		return []string{string(on)}
	}
	return []string{"await"}
}
