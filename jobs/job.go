package jobs

import (
	"context"
	"errors"
	"runtime"
	"time"

	"bide/waitctx"
)

// Errors of waits.
var (
	// ErrCanceled: the job was cancelled, or what it waited for was stopped.
	ErrCanceled = errors.New("jobs: canceled")
	// ErrClosed: the Scheduler or Pool was closed.
	ErrClosed = errors.New("jobs: closed")
	// ErrNoJobs: the Pool has as many jobs as it may.
	ErrNoJobs = errors.New("jobs: no free job")
	// ErrStale: the handle's job has ended.
	ErrStale = errors.New("jobs: job has ended")
	// ErrNotLoop: the call needs a job of a Scheduler.
	ErrNotLoop = errors.New("jobs: not a job of a scheduler")
)

// maxDefied is how many waits a cancelled job may begin before it is ended by
// force: a job that retries on ErrCanceled must not spin the loop.
const maxDefied = 1000

// Job is a handle to a running or paused job: a small comparable value that
// goes stale when the job ends. The zero Job stands for "outside a job", where
// Pause succeeds at once, so that the same code runs synchronously.
type Job struct {
	t   *task
	gen uint32
}

type taskState uint8

const (
	stateIdle    taskState = iota
	stateReady             // in a run queue
	stateRunning           // on its coroutine
	statePaused            // off it
	stateDone              // its function has returned
)

// task is what a Job points to. It is pooled: gen tells its jobs apart.
type task struct {
	s         *Scheduler // for life; nil in a Pool
	pool      *Pool      // for life; nil on a Scheduler
	wakingGen uint32     // guarded by s.mu: the job a wake is on its way to

	run
}

// run is the part of a task that belongs to one job of it.
type run struct {
	gen     uint32
	state   taskState
	low     bool
	signal  bool // a Waker fired
	defied  uint16
	blocked int32
	place   int32 // in s.tasks
	co      *coro
	fn      func(Job) error
	err     error // of the finished job
	reason  error // why the job was resumed
	cancel  error // sticky
	errExit error // what a forced end reports

	wc    *waitctx.WaitCtx // of a Pool's job
	watch *source          // that started it
	own   *source          // of its own waits
	on    any              // what it is paused on, for the listing and for whoever wakes it
	onID  waitctx.ID
	link  *task // next waiter of the same source
	last  lastWait
	until int64 // of the sleep under way

	name string
	born time.Time
	ctx  *jobContext
}

// lastWait caches the registration the last Job.Wait used.
type lastWait struct {
	fd       waitctx.FD
	interest waitctx.Interest
	id       waitctx.ID
}

// Valid reports whether the job has not ended. Loop goroutine only.
func (j Job) Valid() bool { return j.t != nil && j.t.gen == j.gen }

// Scheduler returns the scheduler the job runs on, or nil.
func (j Job) Scheduler() *Scheduler {
	if !j.Valid() {
		return nil
	}
	return j.t.s
}

// WaitCtx returns the context the job waits on: the one it was started with,
// the one of the Watch that started it, or its own. It is nil outside a job.
func (j Job) WaitCtx() *waitctx.WaitCtx {
	switch {
	case !j.Valid():
		return nil
	case j.t.wc != nil:
		return j.t.wc
	case j.t.watch != nil:
		return j.t.watch.wc
	case j.t.s != nil:
		return j.t.s.ownSource(j.t).wc
	}
	return nil
}

// SetName names the job in listings. Job only.
func (j Job) SetName(name string) {
	if j.Valid() {
		j.t.name = name
	}
}

// Name returns what SetName stored.
func (j Job) Name() string {
	if !j.Valid() {
		return ""
	}
	return j.t.name
}

// Reason says why the job last went on: nil for readiness or a wake,
// os.ErrDeadlineExceeded, or ErrCanceled.
func (j Job) Reason() error {
	if !j.Valid() {
		return nil
	}
	return j.t.reason
}

// BlockPause makes Pause do nothing until as many calls of UnblockPause. The
// counter is the job's and ends with it.
func (j Job) BlockPause() {
	if j.Valid() {
		j.t.blocked++
	}
}

// UnblockPause undoes one BlockPause.
func (j Job) UnblockPause() {
	if j.Valid() && j.t.blocked > 0 {
		j.t.blocked--
	}
}

// Pause pauses the job until it is resumed: by Resume, or on a Scheduler by
// readiness of any wait of its context. Outside a job, and while pauses are
// blocked, it returns nil at once. A resume need not mean that anything is
// ready: look again.
func (j Job) Pause() error {
	if !j.Valid() {
		return nil
	}
	t := j.t
	if t.blocked > 0 {
		return nil
	}
	if t.s != nil {
		return t.pauseOnContext()
	}
	if t.cancel != nil {
		return t.canceled()
	}
	t.state = statePaused
	// The switch is made right here: every frame between it and its caller is
	// one more return that the processor predicts wrongly after the switch.
	if !t.co.yield(struct{}{}) {
		runtime.Goexit()
	}
	return t.cancel
}

// canceled is what a cancelled job's waits answer.
func (t *task) canceled() error {
	if t.defied++; t.defied > maxDefied {
		t.errExit = errors.Join(t.cancel, errors.New("jobs: the job ignored its cancellation"))
		runtime.Goexit()
	}
	return t.cancel
}

// jobContext is the context.Context of a job, made on demand.
type jobContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

type jobKey struct{}

// Context returns a context that carries the job and ends with it: for
// FromContext in code deep below, and for calls that take a context.
func (j Job) Context() context.Context {
	if !j.Valid() {
		return context.Background()
	}
	t := j.t
	if t.ctx == nil {
		ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), jobKey{}, j))
		t.ctx = &jobContext{ctx, cancel}
		if t.cancel != nil {
			cancel(t.cancel)
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
