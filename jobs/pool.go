package jobs

import (
	"errors"
	"fmt"

	"bide/waitctx"
)

// Status says where a job of a Pool stands.
type Status uint8

const (
	Failed   Status = iota // not started; see the error
	Paused                 // Resume it later
	Finished               // the error is the job's own; its handle is stale
)

// Pool is OpenSSL's primitive, for hosts that have a loop of their own: jobs
// that run until they pause, and go on when the host resumes them. A Pool and
// its jobs belong to one goroutine, NewPool and Close included if that is locked
// to its thread: see Threads. A job pauses by its own handle: Pause by that of
// another job that is paused panics, in package iter's words.
type Pool struct {
	max  int
	idle []*task
	all  []*task
	live int // nested jobs not included

	onFree func()
	closed bool
}

// NewPool returns a Pool of at most max jobs, or any number if max is 0, init
// of them made at once.
func NewPool(max, init int) (*Pool, error) {
	if max < 0 || init < 0 || max > 0 && init > max {
		return nil, fmt.Errorf("jobs: pool of at most %d jobs cannot begin with %d", max, init)
	}
	p := &Pool{max: max}
	for range init {
		p.idle = append(p.idle, p.newTask())
	}
	return p, nil
}

func (p *Pool) newTask() *task {
	t := newTask(nil, p)
	newCoro().give(t)
	p.all = append(p.all, t)
	return t
}

// OnFree has fn called when a job of Start ends, for a host that got ErrNoJobs. fn
// runs on the host's goroutine and may call Start.
func (p *Pool) OnFree(fn func()) { p.onFree = fn }

// Live is the number of jobs started and not finished.
func (p *Pool) Live() int { return p.live }

// Start runs fn as a job on wc until it pauses or returns. wc may be nil for a
// job without waits; one job at a time owns it (waitctx.ErrBusy). It returns
// ErrNoJobs if the pool is exhausted, and ErrClosed after Close. The Job is the zero
// one unless the status is Paused.
func (p *Pool) Start(wc *waitctx.WaitCtx, fn func(Job) error) (Job, Status, error) {
	switch {
	case fn == nil:
		return Job{}, Failed, errors.New("jobs: Start of a nil function")
	case p.closed:
		return Job{}, Failed, ErrClosed
	case p.max > 0 && p.live >= p.max:
		return Job{}, Failed, ErrNoJobs
	}
	if wc != nil {
		if err := wc.Acquire(); err != nil {
			return Job{}, Failed, err
		}
	}
	p.live++
	t := p.take()
	t.wc, t.fn = wc, fn
	j := Job{t, t.gen}
	t.state = stateRunning
	t.next()
	if t.state != stateDone {
		t.state = stateHeld
		return j, Paused, nil
	}
	return Job{}, Finished, t.finishPooled()
}

func (p *Pool) take() *task {
	if n := len(p.idle); n > 0 {
		t := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return t
	}
	return p.newTask()
}

// Resume goes on with a paused job of a Pool until it pauses again or returns.
// A stale handle gets ErrStale, a job that is running waitctx.ErrBusy. A
// Scheduler's job cannot be resumed: that is an error.
func (j Job) Resume() (Status, error) {
	t := j.t
	if t == nil || t.gen != j.gen || t.state != stateHeld {
		return Failed, j.whyNot()
	}
	t.state = stateRunning
	t.next() // right here: see task.block
	if t.state != stateDone {
		t.state = stateHeld
		return Paused, nil
	}
	return Finished, t.finishPooled()
}

// whyNot says why the job cannot be resumed.
func (j Job) whyNot() error {
	switch {
	case !j.Valid():
		return ErrStale
	case j.t.pool == nil:
		return errNotPooled
	}
	return waitctx.ErrBusy
}

var errNotPooled = errors.New("jobs: Resume: the job belongs to a scheduler")

// finishPooled gives the task back to its pool.
func (t *task) finishPooled() error {
	p, err, co, nested := t.pool, t.err, t.co, t.nested
	if t.wc != nil && !nested {
		t.wc.Relinquish()
	}
	t.endContext(ErrStale)
	if !nested {
		p.live--
	}
	if co.dead() {
		co.discard()
		co = newCoro()
	}
	t.reset()
	co.give(t)
	p.idle = append(p.idle, t)
	if p.onFree != nil && !nested {
		p.onFree()
	}
	return err
}

// Run runs inner as a job inside j, on j's context: whenever inner pauses, j
// pauses, and a resume of j goes on with inner. A cancel goes inward. It
// returns inner's error. The inner job does not count towards the pool's
// maximum, as j would wait for it in vain. Outside a job, and on a Scheduler,
// whose loop resumes whoever waits, inner is called directly.
func (j Job) Run(inner func(Job) error) error {
	if !j.Valid() || j.t.pool == nil {
		return inner(j)
	}
	t := j.t.pool.take()
	t.wc, t.fn, t.nested = j.t.wc, inner, true
	in := Job{t, t.gen}
	t.state = stateHeld
	status, err := in.Resume()
	defer func() {
		if status == Paused && j.t.stop != nil { // the pause of j ended j by force
			in.Cancel(*j.t.stop)
			in.Resume()
		}
	}()
	for status == Paused {
		if cause := j.Pause(); cause != nil {
			in.Cancel(cause)
		}
		status, err = in.Resume()
	}
	return err
}

// Close cancels the jobs that are left, lets them unwind, and ends the idle
// coroutines. It is idempotent. While a job runs it does nothing and returns
// waitctx.ErrBusy: the job that closed the Pool could never go on.
func (p *Pool) Close() error {
	if p.closed {
		return nil
	}
	for _, t := range p.all {
		if t.state == stateRunning {
			return waitctx.ErrBusy
		}
	}
	p.closed, p.onFree = true, nil
	for _, t := range p.all {
		// A nested job is resumed by its outer one, whose cancel goes inward.
		for t.state == stateHeld && !t.nested {
			t.cancel(ErrCanceled)
			Job{t, t.gen}.Resume()
		}
	}
	for _, t := range p.all {
		t.co.discard()
	}
	p.all, p.idle = nil, nil
	return nil
}
