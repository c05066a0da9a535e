package jobs

import (
	"context"
	"iter"

	"bide/waitctx"
)

// Job is a handle to a running or paused job: a small comparable value that
// goes stale when the job ends. The zero Job stands for "outside a job", where
// Pause succeeds at once, so that the same code runs synchronously.
//
// Cancel of a Scheduler's job may be called from any goroutine. All other methods
// are the job's own to call or, where they say so, loop only. Methods that would
// pause return an error that wraps waitctx.ErrBusy if another job of the Scheduler
// calls them; Pause may panic with it. Once the job has ended Pause and WaitKey
// return nil at once; Wait, Sleep and Park return ErrStale.
type Job struct {
	t   *task
	gen uint32
}

// Valid reports whether the job has not ended. Loop only.
func (j Job) Valid() bool { return j.t != nil && j.t.gen == j.gen }

// Scheduler returns the scheduler the job runs on: nil in a Pool, outside a job,
// and once the job has ended.
func (j Job) Scheduler() *Scheduler {
	if !j.Valid() {
		return nil
	}
	return j.t.s
}

// WaitCtx returns the context the job waits on: the one it was started with,
// the one of the Watch that started it, or its own. It is nil outside a job. In the
// job's own are the waits of Job.Wait too: those are Forget's to take away, and if all
// are closed, Job.Wait knows nothing of it.
func (j Job) WaitCtx() *waitctx.WaitCtx {
	switch {
	case !j.Valid():
		return nil
	case j.t.wc != nil:
		return j.t.wc
	case j.t.s != nil:
		return j.t.context().wc
	}
	return nil
}

// SetName names the job in listings, profiles and traces: itself, or another of its
// loop.
func (j Job) SetName(name string) {
	if j.Valid() {
		j.t.name = name
		if j.t.s != nil && j.t.state == stateRunning {
			j.t.s.renamed(j.t)
		}
	}
}

// Name returns what SetName stored.
func (j Job) Name() string {
	if !j.Valid() {
		return ""
	}
	return j.t.name
}

// Reason says why the job last went on: nil for readiness or a wake, the
// kernel's error, os.ErrDeadlineExceeded, what Cancel was given or ErrCanceled, or
// ErrClosed.
func (j Job) Reason() error {
	if !j.Valid() {
		return nil
	}
	return j.t.reason
}

// Ready iterates over the keys of the job's context that are ready, as far as
// is known, and what for: first the one that resumed it, then those that were
// ready meanwhile. It is for a job that awaits several waits by Pause, or was
// started by a Watch; a key is gone from it once the job awaits it again.
func (j Job) Ready() iter.Seq2[any, waitctx.Ready] {
	return func(yield func(any, waitctx.Ready) bool) {
		if j.Valid() && j.t.s != nil {
			j.t.readyKeys(yield)
		}
	}
}

// BlockPause makes Pause, and WaitKey of a key that is set, return nil at once until
// UnblockPause was called as often. Other waits still pause. The counter is the job's
// and ends with it.
func (j Job) BlockPause() {
	if j.Valid() {
		j.t.blocked++
		j.t.choosePause()
	}
}

// UnblockPause undoes one BlockPause.
func (j Job) UnblockPause() {
	if j.Valid() && j.t.blocked > 0 {
		j.t.blocked--
		j.t.choosePause()
	}
}

// Pause pauses the job until it is resumed: by Resume, or on a Scheduler by
// readiness of any wait of its context. Unless a Watch started the job these include
// what Job.Wait registered: Forget it, if it is not to resume the job. On a Scheduler
// Pause returns an error that wraps the kernel's and names the wait if that refuses
// one, or did before, while nobody awaited it; of several the first, and WaitCtx.Err
// has each. Outside a job, and while pauses are blocked, it returns nil at once. A
// resume need not mean that anything is ready: look again.
func (j Job) Pause() (err error) {
	// In this form it is just cheap enough for the compiler to inline it, which
	// saves a frame between the switch and the job: see task.block.
	if j.t != nil && j.t.gen == j.gen {
		j.t.pause(Paused)
		err = j.t.reason
	}
	return
}

// Cancel stops the job: from now on each call that would pause it returns err, or
// ErrCanceled if that is nil. The first cancel counts, and a job that has ended is
// left alone. On a Scheduler any goroutine may call it, and a pause under way ends
// in the loop's next turn. In a Pool it is for the Pool's goroutine, and the job
// hears of it when it is resumed.
func (j Job) Cancel(err error) {
	if j.t == nil {
		return
	}
	if err == nil {
		err = ErrCanceled
	}
	if s := j.t.s; s != nil {
		s.post(post{t: j.t, gen: j.gen, what: postCancel, err: err})
		return
	}
	if j.Valid() {
		j.t.cancel(err)
	}
}

// loop returns the task if the job is one of a scheduler.
func (j Job) loop() (*task, error) {
	switch {
	case j.t == nil:
		return nil, ErrNotLoop
	case j.t.gen != j.gen:
		return nil, ErrStale
	case j.t.s == nil:
		return nil, ErrNotLoop
	}
	return j.t, nil
}

// jobContext is the context.Context of a job, made on demand.
type jobContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

type jobKey struct{}

// Context returns a context that carries the job: for FromContext in code deep
// below, and for calls that take a context. It is done once the job is canceled or
// has ended, and with the context of GoContext or Do. A deadline of the job does
// not end it. Outside a job, and of a handle whose job has ended, it is
// context.Background.
func (j Job) Context() context.Context {
	if !j.Valid() {
		return context.Background()
	}
	t := j.t
	if t.ctx == nil {
		parent := t.parent
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithCancelCause(context.WithValue(parent, jobKey{}, j))
		t.ctx = &jobContext{ctx, cancel}
		if t.stop != nil && !t.late { // a deadline may be moved, a context's end not
			cancel(*t.stop)
		}
	}
	return t.ctx
}

// FromContext returns the job that ctx belongs to, or the zero Job.
func FromContext(ctx context.Context) Job {
	j, _ := ctx.Value(jobKey{}).(Job)
	return j
}

// endContext ends the job's context.
func (t *task) endContext(cause error) {
	if t.ctx != nil {
		t.ctx.cancel(cause)
	}
}
