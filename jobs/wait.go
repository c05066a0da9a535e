package jobs

import (
	"fmt"
	"time"

	"bide/waitctx"
)

// waitKey is the key of what Job.Wait registers in the job's own context.
type waitKey struct {
	fd       waitctx.FD
	interest waitctx.Interest
}

// context returns the source of the waits the job awaits by Pause: that of the
// Watch that started it, or its own, made when first needed.
func (t *task) context() *source {
	if t.watch != nil {
		return t.watch
	}
	return t.ownSource()
}

func (t *task) ownSource() *source {
	if t.own == nil {
		t.own = t.s.newOwn()
	}
	return t.own
}

// awaits puts the task on the list of those that wait for a place of src. The
// caller pauses it.
func (t *task) awaits(src *source, place int32) {
	if src.needsRearm() {
		src.rearm(place)
	}
	if src.timerAt == passed {
		t.s.setTimer(src)
	}
	t.src, t.place, t.fired = src, place, 0
	src.waiters.push(t)
	t.pausing(onWaits)
}

// waitForAny is Pause on a scheduler.
func (t *task) waitForAny() error {
	if err := t.check(); err != nil {
		return err
	}
	src := t.context()
	if src.stopped {
		return t.defies(ErrCanceled)
	}
	if err := src.takeRefusal(); err != nil {
		return err
	}
	t.awaits(src, anyPlace)
	t.yield(Paused)
	return t.resumed()
}

// readyKeys is Job.Ready.
func (t *task) readyKeys(yield func(any, waitctx.Ready) bool) {
	src := t.src
	if src == nil {
		src = t.watch
	}
	if src == nil || src.stopped {
		return
	}
	if t.fired != 0 {
		if key, ok := src.keyAt(t.fired - 1); ok && !internal(key) && !yield(key, t.became) {
			return
		}
	}
	for q := src.quiet; q != nil; q = q.next {
		id := q.id
		key, now, _, ok := src.wc.Find(src.Base() | waitctx.Token(q.place))
		if ok && now == id && !internal(key) && !yield(key, q.ready) { // else the place is another wait's by now
			return
		}
		if q.id != id { // the job has paused meanwhile
			return
		}
	}
}

// internal reports whether a key is one of Job.Wait's.
func internal(key any) bool { _, ok := key.(waitKey); return ok }

// Wait pauses the job until fd is ready, and only for that: other waits stay
// registered and do not resume it. The registration stays too, which makes the
// next Wait of the same kind free of system calls, until Forget or the job's end.
// Zero interest means Readable. It returns nil when ready (look again: readiness
// may have passed), an error that wraps the kernel's and names the descriptor if
// it was refused, or why the job was stopped: ErrCanceled,
// os.ErrDeadlineExceeded, ErrClosed. Within bounds the time.
//
// fd stays the caller's to close, also when the job ends, and one that belongs to
// an os.File or a connection is to be kept reachable. A job that closes fd, and
// goes on, calls Forget first: if the number comes to mean another file, a Wait for
// it would else stand by the old registration, which tells nothing any more.
func (j Job) Wait(fd waitctx.FD, interest waitctx.Interest) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	if t.stop != nil || t.state != stateRunning {
		return t.unfit()
	}
	if t.lastFD != fd || t.lastInterest != interest || interest == 0 {
		if err := t.register(fd, interest); err != nil {
			return err
		}
	}
	t.awaits(t.own, int32(t.lastPlace))
	t.yield(Paused) // right here: see task.block
	if t.reason != nil || t.stop != nil {
		return t.failed()
	}
	return nil
}

// failed is what Wait returns if fd is not ready. One that the kernel refused is gone
// from the context, but one that the poller gave up later is not, and would tell
// nothing any more: the next Wait registers anew.
func (t *task) failed() error {
	if t.reason != nil && t.reason != errLate {
		t.own.wc.Clear(waitKey{t.lastFD, t.lastInterest})
	}
	t.lastInterest = 0
	return t.resumed()
}

// WaitKey is Pause for one wait of the job's WaitCtx, that under key: the others
// stay registered and do not resume the job. It is for code that shares the
// context with others, such as several engines. It returns an error that wraps the
// kernel's if that refused the wait, or waitctx.ErrNoKey if there is none under key;
// both name the key. It returns ErrCanceled once the wait is cleared, released or
// replaced meanwhile. In a Pool's job it pauses, and the host decides what it resumes
// for.
func (j Job) WaitKey(key any) error {
	if !j.Valid() {
		return nil
	}
	t, wc := j.t, j.WaitCtx()
	if wc == nil {
		return t.noWait(key, nil)
	}
	place := wc.Place(key)
	if place < 0 {
		return t.noWait(key, wc.Err(key))
	}
	if t.s == nil || t.blocked > 0 {
		return j.Pause()
	}
	if err := t.check(); err != nil {
		return err
	}
	src := t.context()
	if src.stopped {
		return t.defies(ErrCanceled)
	}
	t.awaits(src, int32(place))
	t.keyed, t.until = true, int64(wc.ID(key))
	t.yield(Paused)
	t.keyed = false
	return t.resumed()
}

// noWait says why there is no wait under key: it may have been refused.
func (t *task) noWait(key any, refused error) error {
	switch {
	case refused == nil:
		refused = waitctx.ErrNoKey
	case t.s != nil:
		t.context().takeRefusal()
		return refused // which names it
	}
	return waitError("key "+spellKey(key), refused)
}

// waitError says of which wait an error is.
func waitError(wait string, err error) error { return fmt.Errorf("jobs: %s: %w", wait, err) }

// register sees to it that the job's own context has the wait, and that last
// is it.
func (t *task) register(fd waitctx.FD, interest waitctx.Interest) error {
	if interest&^waitctx.Edge == 0 {
		interest |= waitctx.Readable
	}
	src, key := t.ownSource(), waitKey{fd, interest}
	if _, ok := src.wc.Get(key); !ok {
		if err := src.wc.Set(key, waitctx.Wait{FD: fd, Interest: interest}); err != nil {
			return waitError(spellWait(key, fd), err)
		}
	}
	t.lastFD, t.lastInterest, t.lastPlace = fd, interest, uint16(src.wc.Place(key))
	return nil
}

// Forget ends what Wait registered for fd, and comes before fd is closed. The
// poller lets go of it at the end of the turn; what becomes of a descriptor that is
// closed earlier package poller says. To have it closed in order, also when the job
// is canceled or ends, set it in j.WaitCtx() with a Cleanup that closes it, and
// await it by WaitKey.
func (j Job) Forget(fd waitctx.FD) {
	t, err := j.loop()
	if err != nil || t.own == nil {
		return
	}
	t.lastInterest = 0
	for i := waitctx.Readable; i < waitctx.Edge<<1; i++ {
		t.own.wc.Clear(waitKey{fd, i})
	}
}

// Sleep pauses the job for d, never less. Zero or less lets the other ready
// jobs run once. Outside a job it is time.Sleep; in a Pool's job it returns
// ErrNotLoop.
func (j Job) Sleep(d time.Duration) error {
	t, err := j.loop()
	if err != nil {
		if j.t == nil {
			time.Sleep(d)
			return nil
		}
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if d <= 0 {
		t.s.runnable(t, nil)
		t.yield(Paused)
		return t.resumed()
	}
	t.until = t.s.loopTimeAfter(d)
	t.s.timers.push(timer{when: t.until, t: t, gen: t.gen})
	err = t.block(onSleep)
	if err != nil && t.s.now() < t.until {
		t.s.lapse()
	}
	return err
}
