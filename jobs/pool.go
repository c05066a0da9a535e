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
// its jobs belong to one goroutine.
type Pool struct {
	max  int
	idle []*task
	all  []*task
	live int

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
	t := &task{pool: p, run: run{gen: 1, co: newCoro()}}
	t.co.t = t
	p.all = append(p.all, t)
	return t
}

// OnFree has fn called when a job ends, for a host that got ErrNoJobs. fn runs
// on the host's goroutine and may call Start.
func (p *Pool) OnFree(fn func()) { p.onFree = fn }

// Live is the number of jobs started and not finished.
func (p *Pool) Live() int { return p.live }

// Start runs fn as a job on wc until it pauses or returns. wc may be nil for a
// job without waits; one job at a time owns it (waitctx.ErrBusy). It returns
// ErrNoJobs if the pool is exhausted.
func (p *Pool) Start(wc *waitctx.WaitCtx, fn func(Job) error) (Job, Status, error) {
	if p.closed {
		return Job{}, Failed, ErrClosed
	}
	var t *task
	switch n := len(p.idle); {
	case n > 0:
		t = p.idle[n-1]
		p.idle = p.idle[:n-1]
	case p.max > 0 && p.live >= p.max:
		return Job{}, Failed, ErrNoJobs
	default:
		t = p.newTask()
	}
	if wc != nil {
		if err := wc.Acquire(); err != nil {
			p.idle = append(p.idle, t)
			return Job{}, Failed, err
		}
	}
	p.live++
	t.wc, t.fn = wc, fn
	j := Job{t, t.gen}
	status, err := t.step()
	if status == Finished {
		j = Job{}
	}
	return j, status, err
}

// Resume goes on with a paused job of a Pool until it pauses again or returns.
// A stale handle gets ErrStale, a job that is running waitctx.ErrBusy.
func (j Job) Resume() (Status, error) {
	t := j.t
	if t == nil || t.gen != j.gen || t.pool == nil || t.state != statePaused {
		return Failed, j.whyNot()
	}
	t.state = stateRunning
	t.co.resume() // right here, as in Pause
	if t.state != stateDone {
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

func (t *task) step() (Status, error) {
	t.state = stateRunning
	t.co.resume()
	if t.state != stateDone {
		return Paused, nil
	}
	return Finished, t.finishPooled()
}

// finishPooled gives the task back to its pool.
func (t *task) finishPooled() error {
	p, err := t.pool, t.err
	if t.wc != nil {
		t.wc.Relinquish()
	}
	if t.ctx != nil {
		t.endContext(ErrStale)
	}
	if t.co.dead {
		t.co.discard()
		t.co = newCoro()
		t.co.t = t
	}
	t.gen++
	t.state, t.blocked, t.defied = stateIdle, 0, 0
	t.fn, t.wc, t.err, t.cancel, t.errExit, t.ctx, t.name = nil, nil, nil, nil, nil, nil, ""
	p.live--
	p.idle = append(p.idle, t)
	if p.onFree != nil {
		p.onFree()
	}
	return err
}

// Run runs inner as a job on wc inside j: whenever inner pauses, j pauses,
// and a resume of j goes on with inner. A cancel goes inward. It returns
// inner's error. Outside a job it runs inner synchronously.
func (j Job) Run(inner func(Job) error) error {
	if !j.Valid() || j.t.pool == nil {
		return inner(j) // on a scheduler a nested job would only wait for itself
	}
	p := j.t.pool
	in, status, err := p.Start(nil, func(ij Job) error {
		ij.t.wc = j.t.wc // shared with j, which owns it
		defer func() { ij.t.wc = nil }()
		return inner(ij)
	})
	for status == Paused {
		if cause := j.Pause(); cause != nil {
			in.t.cancel = cause
		}
		status, err = in.Resume()
	}
	return err
}

// Close cancels the jobs that are left, lets them unwind, and ends the idle
// coroutines. It is idempotent.
func (p *Pool) Close() error {
	if p.closed {
		return nil
	}
	p.closed, p.onFree = true, nil
	for _, t := range p.all {
		for t.state == statePaused {
			t.cancel = ErrCanceled
			t.step()
		}
	}
	for _, t := range p.all {
		if t.co != nil {
			t.co.discard()
		}
	}
	p.all, p.idle = nil, nil
	return nil
}
