package jobs

import (
	"errors"
	"os"
	"time"

	"bide/waitctx"
)

// Watch keeps a WaitCtx registered for longer than a job: the stackless rest.
// While no job is active on it nothing but the registration exists; readiness
// starts a pooled job, and when that returns its stack goes back. It is a small
// comparable value whose zero value stands for none. Its methods are loop only, or
// for before Run.
type Watch struct{ src *source }

// Watch binds wc and registers its waits at the end of the turn. Each time one
// is ready and no job waits on it, fn is started as a job, one at a time; fn
// should read until it would block, since one that returns with data left is
// started again, at most once a turn (of waitctx.Edge see SetDrained). It is also
// started when the kernel refuses a wait, and its Reason is why. A nil fn starts
// nothing: jobs wait with Watch.Wait. waitctx.ErrBusy means that wc is bound
// already. After Close it is ErrClosed, and wc stays as it is. Loop only, or before
// Run.
func (s *Scheduler) Watch(wc *waitctx.WaitCtx, fn func(Job) error) (Watch, error) {
	if wc == nil {
		return Watch{}, errors.New("jobs: Watch of a nil WaitCtx")
	}
	if s.jobless { // and not as soon as it is closed: jobs may watch on their way out
		return Watch{}, ErrClosed
	}
	src := &source{s: s, wc: wc, fn: fn}
	if err := s.bind(src); err != nil {
		return Watch{}, err
	}
	return Watch{src}, nil
}

// Wait pauses j until a wait of w is ready. Several jobs may wait; all are
// resumed. It returns an error that wraps the kernel's and names the wait if that
// refuses one, or did before, while nobody waited, which is told once;
// os.ErrDeadlineExceeded past w's deadline; ErrCanceled once w was stopped; or why j
// was stopped. While its context has no wait, it goes on until one that is set is ready.
func (w Watch) Wait(j Job) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	src := w.src
	switch {
	case t.stop != nil || t.state != stateRunning:
		return t.unfit()
	case src == nil || src.stopped:
		return ErrCanceled
	case src.deadline != 0 && src.deadline <= src.s.now():
		src.flags |= told
		return os.ErrDeadlineExceeded
	}
	if src.quiet != nil {
		if err := src.takeRefusal(); err != nil {
			return err
		}
	}
	t.awaits(src, anyPlace)
	t.yield(Paused) // right here: see task.block
	if t.stop != nil {
		return t.stopped()
	}
	return t.reason
}

// SetFunc replaces the function readiness starts; nil for none. One that has begun
// goes on; one that has not is not started any more.
func (w Watch) SetFunc(fn func(Job) error) {
	if w.src == nil || w.src.stopped {
		return
	}
	w.src.fn = fn
	if fn == nil || w.src.active {
		return
	}
	w.src.restartFunc()
}

// SetLow has the function's jobs run at low priority, or no longer.
func (w Watch) SetLow(low bool) {
	if w.src == nil {
		return
	}
	w.src.flags &^= lowJobs
	if low {
		w.src.flags |= lowJobs
	}
}

// SetDrained says that the descriptor of w's one wait has nothing left: a call on it
// that read has just blocked, or moved less than it was given (see waitctx.Edge of
// where that counts). It makes edges safe for a reader that cannot promise to drain.
// From its first call on, which comes before the first event, what w is told and is
// not drained then is told again when w is next awaited, or its function has
// returned, as without Edge. A poller that tells by edges is asked once more only
// where something may be left, so that it costs no system call to drain. Call it
// between the read and the job's next pause. With several waits it does nothing.
func (w Watch) SetDrained() {
	switch src := w.src; {
	case src == nil:
	case src.flags&drainable != 0:
		src.flags &^= undrained
	case src.wc.Len() == 1:
		src.flags |= drainable
	}
}

// Drained reports whether w was told nothing since SetDrained.
func (w Watch) Drained() bool {
	return w.src != nil && w.src.flags&(drainable|undrained) == drainable
}

// SetInterest changes what the wait under key is for. It returns ErrCanceled once w
// was stopped, and for the zero Watch.
func (w Watch) SetInterest(key any, i waitctx.Interest) error {
	if w.src == nil || w.src.stopped {
		return ErrCanceled
	}
	err := w.src.wc.SetInterest(key, i)
	if err == nil && w.src.flags&undrained != 0 {
		w.src.rearm(anyPlace) // a change that is undone in the same turn reaches no poller
	}
	return err
}

// SetDeadline sets when waiting ends with os.ErrDeadlineExceeded; the zero time
// is never. With no job waiting the function is started once, and its Reason
// is os.ErrDeadlineExceeded. If that was started before and waits for something
// else, it hears of the deadline when it waits for w, or it is started once more.
// Whoever waits after the deadline gets the error too, until it is moved.
func (w Watch) SetDeadline(at time.Time) {
	src := w.src
	if src == nil || src.stopped {
		return
	}
	src.deadline = src.s.loopTime(at)
	src.flags &^= told
	if src.deadline != 0 && src.deadline <= src.s.now() {
		src.s.expireSource(src, src.s.now())
		return
	}
	src.s.setTimer(src)
}

// Stop ends the watch: jobs that wait get ErrCanceled, also those that come to
// wait later, and the context is closed. Its cleanups run at the end of the turn,
// once the deletes were applied; those of waits that the poller was never told of
// run in Stop. A job that the function was started as goes on, if it has begun.
func (w Watch) Stop() {
	src := w.src
	if src == nil || src.stopped {
		return
	}
	src.waiters.wakeAll(ErrCanceled)
	src.s.retire(src)
}
