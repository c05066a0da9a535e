package jobs

import (
	"context"
	"errors"
	"os"
	"runtime"
	"unsafe"

	"bide/internal/prefetch"
	"bide/waitctx"
)

// taskState is where a task stands:
//
//	idle ─runnable→ ready ─run→ running ─wait→ paused ─wake→ ready …
//	                               └─return→ done ─finish→ idle, the next generation
//
// A Pool's task is held where a Scheduler's is paused: only Resume ends that.
type taskState uint8

const (
	stateIdle    taskState = iota
	stateReady             // in a run queue
	stateRunning           // on its coroutine
	statePaused            // off it, until its scheduler wakes it
	stateHeld              // off it, until Resume
	stateDone              // its function has returned
)

// pausedOn says what a paused task waits for.
type pausedOn uint8

const (
	onNothing pausedOn = iota
	onWaits            // of src
	onSleep
	onWaker
	onWork // of Await
	onMutex
	onCond
	onSemaphore
	onWaitGroup
	onChan
	onTasks
)

// anyPlace is awaited by whoever awaits every wait of a context.
const anyPlace = -1

// errLate is what t.stop points to past a deadline.
var errLate = os.ErrDeadlineExceeded

// maxDefied is how many waits a stopped job may begin before it is ended by
// force: a job that retries on ErrCanceled must not spin the loop.
const maxDefied = 1000

// task is what a Job points to. It is pooled: gen tells its jobs apart. What the
// loop touches to resume it is in the first 128 bytes, two cache lines.
type task struct {
	// These and pause are not in run, where each use of them would count as one
	// more step in the compiler's decision to inline Job.Pause.
	gen    uint32
	reason error      // why the job last went on
	s      *Scheduler // for life; nil in a Pool
	run

	pause  func(Status) bool // what Job.Pause does: yield, or pauseSlowly
	pool   *Pool             // for life; nil on a Scheduler
	signal signal            // of the job's Waker
}

// run is the part of a task that belongs to one job of it.
type run struct {
	next  func() (Status, bool) // of the coroutine: resumes the task
	yield func(Status) bool     // pauses it

	state        taskState
	on           pausedOn
	low          bool
	lastInterest waitctx.Interest // with lastFD and lastPlace: what Job.Wait last awaited; 0 for nothing
	place        int32            // of the wait it is paused on, or anyPlace; in a Chan, of hands
	fired        int32            // of the wait that resumed it, plus one
	became       waitctx.Ready    // that wait
	lastPlace    uint16

	src   *source // it is paused on
	queue *queue  // it is in
	after *task   // of queue
	prior *task
	stop  *error // why its waits fail: canceled, or past its deadline
	born  int64  // loop time of the first pause plus one, 0 before

	// To prefetch by: where it paused, and its goroutine. 0 for not known.
	sp, goroutine uintptr

	own    *source
	lastFD waitctx.FD

	late    bool // stop is a deadline's
	nested  bool // by Job.Run
	keyed   bool // it is in WaitKey
	defied  uint16
	blocked int32
	index   int32   // in s.tasks
	watch   *source // that started it
	co      *coro
	fn      func(Job) error
	err     error // of the finished job
	errExit error // what a forced end reports
	wc      *waitctx.WaitCtx

	until    int64 // of the sleep under way, or the ID that WaitKey awaits
	deadline int64 // loop time, 0 for none
	limit    int64 // of Within: no deadline may be later
	timerAt  int64 // of the deadline's timer, 0 for none

	name string
	ctx  *jobContext

	parent context.Context // of ctx, if not the background
}

func newTask(s *Scheduler, p *Pool) *task {
	t := &task{s: s, pool: p, gen: 1}
	if s != nil {
		t.pause = t.pauseSlowly // for life
	}
	return t
}

// reset makes the task ready for its next job. Handles of the last one are stale.
func (t *task) reset() {
	t.gen++
	t.signal.renew(t.gen)
	t.reason = nil
	t.run = run{}
}

// begin is called on the coroutine before the job's function.
func (t *task) begin(c *coro) {
	t.yield, t.goroutine = c.yield, c.goroutine
	switch {
	case t.s == nil:
		t.pause = c.yield
	case t.s.dog != nil:
		t.s.dog.begun(c)
	}
}

// pauseSlowly is Pause where it is more than a switch.
func (t *task) pauseSlowly(Status) bool {
	switch {
	case t.s != nil && t.state == stateReady:
		panic(errNotRunning) // and leave alone what t was woken for, which reason says
	case t.blocked > 0:
		t.reason = nil
	case t.s != nil:
		t.reason = t.waitForAny()
	case t.stop != nil:
		t.reason = t.stopped()
	default:
		t.yield(Paused)
	}
	return true
}

// choosePause sets what Pause does in a Pool's job.
func (t *task) choosePause() {
	switch {
	case t.s != nil:
	case t.blocked > 0 || t.stop != nil:
		t.pause = t.pauseSlowly
	default:
		t.pause = t.yield
	}
}

// block pauses the task and returns why it was resumed. Where speed counts the
// switch is written out instead, since every frame between it and the job is
// one more return that the processor predicts wrongly.
func (t *task) block(on pausedOn) error {
	t.pausing(on)
	t.yield(Paused)
	return t.resumed()
}

// pausing is called where the task pauses next.
func (t *task) pausing(on pausedOn) {
	var here byte
	t.on, t.state, t.sp = on, statePaused, uintptr(unsafe.Pointer(&here))
}

// expect fetches into the caches what resuming the task touches, ahead of that.
func (t *task) expect() {
	if t.sp == 0 {
		return
	}
	rest := uintptr(unsafe.Pointer(&t.own))
	wc := rest
	if t.src != nil {
		wc = uintptr(unsafe.Pointer(t.src.wc))
	}
	prefetch.Job(t.sp, t.goroutine, closure(&t.next), closure(&t.yield), rest, wc)
}

// closure is where a function value points.
func closure[F any](f *F) uintptr { return *(*uintptr)(unsafe.Pointer(f)) }

// resumed is what a wait returns.
func (t *task) resumed() error {
	if t.stop != nil {
		return t.stopped()
	}
	return t.reason
}

// stopped is what a stopped job's waits answer.
func (t *task) stopped() error { return t.defies(*t.stop) }

// defies is what a wait answers that cannot come to anything any more.
func (t *task) defies(err error) error {
	if t.defied++; t.defied > maxDefied {
		t.errExit = errors.Join(err, errors.New("jobs: the job ignored that it was stopped"))
		runtime.Goexit()
	}
	return err
}

// check is called before a wait: it may not begin in a job that is stopped, nor
// by another job's doing.
func (t *task) check() error {
	if t.stop != nil || t.state != stateRunning {
		return t.unfit()
	}
	return nil
}

func (t *task) unfit() error {
	if t.state != stateRunning {
		return errNotRunning
	}
	return t.stopped()
}

// cancel makes the task's waits fail for good.
func (t *task) cancel(err error) {
	if t.stop != nil && !t.late {
		return
	}
	t.stop, t.late, t.defied = &err, false, 0
	t.endContext(err)
	switch {
	case t.state == statePaused:
		t.s.wake(t, err)
	case t.pool != nil:
		t.reason = err
		t.choosePause()
	}
}

// expire makes the task's waits fail until its deadline is moved.
func (t *task) expire() {
	if t.stop == nil {
		t.stop, t.late, t.defied = &errLate, true, 0
	}
	if t.state == statePaused {
		t.s.wake(t, *t.stop)
	}
}

// queue is a list of tasks, first come first served. The prior task of the first
// is the last.
type queue struct{ head *task }

func (q *queue) push(t *task) {
	t.queue, t.after = q, nil
	first := q.head
	if first == nil {
		q.head, t.prior = t, t
		return
	}
	t.prior = first.prior
	t.prior.after, first.prior = t, t
}

func (q *queue) remove(t *task) {
	after := t.after
	switch {
	case t == q.head:
		q.head = after
		if after != nil {
			after.prior = t.prior
		}
	case after == nil:
		q.head.prior = t.prior
		t.prior.after = nil
	default:
		t.prior.after, after.prior = after, t.prior
	}
	t.queue, t.prior, t.after = nil, nil, nil
}
