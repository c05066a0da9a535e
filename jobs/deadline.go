package jobs

import (
	"math"
	"time"
)

// SetDeadline sets the job's deadline. From time at on, every wait of the job
// returns os.ErrDeadlineExceeded; the zero time means no deadline. It may be moved,
// even after it has passed, but not past what Within allows. ErrNotLoop means that
// the job is not a Scheduler's.
func (j Job) SetDeadline(at time.Time) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	t.setDeadline(t.s.loopTime(at))
	return nil
}

// Deadline returns when the job's waits end, by SetDeadline or by Within, whichever is
// earlier. ok is false if they do not, and if the job is not a Scheduler's or has ended.
func (j Job) Deadline() (at time.Time, ok bool) {
	t, err := j.loop()
	if err != nil || t.deadline == 0 {
		return time.Time{}, false
	}
	return t.s.epoch.Add(time.Duration(t.deadline)), true
}

// Within runs fn, in the job itself, and returns its error. Once d has passed every
// wait of fn returns os.ErrDeadlineExceeded: it is for one wait, or a stretch of
// code that is to take no longer. It may be nested, and the least time counts, that
// of SetDeadline included. What fn sets by SetDeadline lasts until fn returns, and
// cannot exceed d.
//
// When fn returns or panics the deadline is the former one again. If that has not
// passed the job goes on as if there had been no other; a cancel outlasts fn. A job
// that is stopped already runs fn, whose waits fail. ErrNotLoop means that the job is
// not a Scheduler's, and an error that wraps waitctx.ErrBusy that another one calls;
// then fn does not run.
func (j Job) Within(d time.Duration, fn func() error) error {
	t, err := j.loop()
	switch {
	case err != nil:
		return err
	case t.state != stateRunning:
		return errNotRunning
	}
	deadline, limit := t.deadline, t.limit
	defer func() {
		if t.gen == j.gen { // else fn has renewed the job
			t.limit = limit
			t.setDeadline(deadline)
		}
	}()
	t.limit = earlier(limit, t.s.loopTimeAfter(d))
	t.setDeadline(deadline)
	return fn()
}

// setDeadline sets the job's deadline, if its limit is not earlier.
func (t *task) setDeadline(at int64) {
	t.deadline = earlier(at, t.limit)
	if t.late && (t.deadline == 0 || t.deadline > t.s.now()) {
		t.stop, t.late, t.defied = nil, false, 0
	}
	t.s.setDeadline(t)
}

// earlier is the earlier of two times of the loop, of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// loopTimeAfter is the loop's time once d has passed.
func (s *Scheduler) loopTimeAfter(d time.Duration) int64 {
	if at := s.now() + int64(max(d, 1)); at > 0 {
		return at
	}
	return math.MaxInt64 // beyond what a timer can hold
}
