package jobs

import "time"

// Stats counts what a scheduler has done since it was made.
type Stats struct {
	Live      int    // jobs started and not ended
	Started   uint64 // jobs
	Failed    uint64 // jobs that returned an error
	Resumes   uint64
	Turns     uint64
	Events    uint64
	Unawaited uint64 // events nobody awaited
	Stale     uint64 // events of a registration that had ended
	LateWakes uint64 // wakes and cancels of jobs that had ended
}

// Live is the number of jobs started and not ended, those that Go was called
// for a moment ago included. During a turn it may count some that have ended.
// Any goroutine may call it.
func (s *Scheduler) Live() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.live.Load()) + s.coming
}

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
// it; a job calls it in a function of Await. It waits for the loop for a second at
// most. One that is closed or stuck answers with Live alone, and one that nobody runs
// counts as stuck.
func (s *Scheduler) Stats() Stats {
	ch := make(chan Stats, 1)
	if !s.onLoop(func() { ch <- s.stats }) {
		return Stats{Live: s.Live()}
	}
	st := <-ch
	st.Live = s.Live()
	st.LateWakes += s.late.Load()
	return st
}

// JobInfo describes a live job.
type JobInfo struct {
	Name string
	Age  time.Duration // since it first paused
	// Waits is what the job is paused on, nothing if it is runnable: descriptors, each
	// with its key, as "fd 7 (read)", or one of "sleep", "waker", "await", "mutex",
	// "cond", "semaphore", "waitgroup", "chan" and "tasks". A key is told by its String
	// method, a string or a number as it is, and any other by its type.
	Waits []string
}

// List asks the loop for its live jobs, in no particular order. Any goroutine but
// the loop's may call it; a job calls it in a function of Await, which it then waits
// for in the list. It waits for the loop for a second at most. One that is closed or
// stuck answers with none, and one that nobody runs counts as stuck.
func (s *Scheduler) List() []JobInfo {
	ch := make(chan []JobInfo, 1)
	if !s.onLoop(func() {
		now := s.now()
		var list []JobInfo
		for _, t := range s.tasks {
			age := time.Duration(0)
			if t.born != 0 {
				age = time.Duration(now - (t.born - 1))
			}
			list = append(list, JobInfo{t.name, age, t.waits()})
		}
		ch <- list
	}) {
		return nil
	}
	return <-ch
}
