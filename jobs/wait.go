package jobs

import (
	"time"

	"bide/waitctx"
)

// What a job is paused on if it is not a source or a queue.
type pausedOn string

var (
	onSleep  any = pausedOn("sleep")
	onSignal any = pausedOn("waker")
)

// waitKey is the key of what Job.Wait registers in the job's own context.
type waitKey struct {
	fd       waitctx.FD
	interest waitctx.Interest
}

// block pauses the task on something and returns why it was resumed.
func (t *task) block(on any) error {
	t.on = on
	t.state = statePaused
	t.co.pause()
	t.on = nil
	if t.cancel != nil {
		return t.canceled()
	}
	return t.reason
}

// blockOnSource pauses the task until the wait id of src, or any wait for 0,
// is ready.
func (t *task) blockOnSource(src *source, id waitctx.ID) error {
	if t.cancel != nil {
		return t.canceled()
	}
	t.s.listen(src, id)
	t.onID = id
	t.link = src.waiters
	src.waiters = t
	t.s.touch(src)
	return t.block(src)
}

// loop returns the task if the job is a running one of a scheduler.
func (j Job) loop() (*task, error) {
	switch {
	case !j.Valid():
		if j.t == nil {
			return nil, ErrNotLoop
		}
		return nil, ErrStale
	case j.t.s == nil:
		return nil, ErrNotLoop
	}
	return j.t, nil
}

// pauseOnContext is Pause on a scheduler.
func (t *task) pauseOnContext() error {
	src := t.watch
	if src == nil {
		src = t.s.ownSource(t)
	}
	return t.blockOnSource(src, 0)
}

// Wait pauses the job until fd is ready, and only for that: other waits stay
// registered and do not resume it. The registration stays too, which makes the
// next Wait of the same kind free of system calls, until Forget or the job's
// end. Zero interest means Readable. It returns nil when ready (look again:
// readiness may have passed), the kernel's error if it refused the descriptor,
// or why the job was cancelled.
func (j Job) Wait(fd waitctx.FD, interest waitctx.Interest) error {
	t, err := j.loop()
	if err != nil {
		return err
	}
	if interest == 0 {
		interest = waitctx.Readable
	}
	src := t.s.ownSource(t)
	if t.last.id != 0 && t.last.fd == fd && t.last.interest == interest {
		return t.blockOnSource(src, t.last.id)
	}
	key := waitKey{fd, interest}
	if _, ok := src.wc.Get(key); !ok {
		if err := src.wc.Set(key, waitctx.Wait{FD: fd, Interest: interest}); err != nil {
			return err
		}
	}
	id := src.wc.ID(key)
	t.last = lastWait{fd, interest, id}
	if err := t.blockOnSource(src, id); err != nil {
		if refused := src.wc.Err(key); refused != nil {
			t.last = lastWait{}
		}
		return err
	}
	return nil
}

// Forget ends what Wait registered for fd. Before a descriptor is closed, call
// it and let the turn end, or use a context and Release.
func (j Job) Forget(fd waitctx.FD) {
	t, err := j.loop()
	if err != nil || t.own == nil {
		return
	}
	t.last = lastWait{}
	for i := waitctx.Readable; i <= waitctx.Readable|waitctx.Writable|waitctx.Priority|waitctx.Silent; i++ {
		t.own.wc.Clear(waitKey{fd, i})
	}
	t.s.touch(t.own)
}

// Sleep pauses the job for d, never less. Zero or less lets the other ready
// jobs run once.
func (j Job) Sleep(d time.Duration) error {
	t, err := j.loop()
	if err != nil {
		if err == ErrNotLoop && j.t == nil {
			time.Sleep(d) // outside a job the same code runs synchronously
			return nil
		}
		return err
	}
	if t.cancel != nil {
		return t.canceled()
	}
	t.until = t.s.now() + max(int64(d), 0)
	t.s.timers.push(timer{when: t.until, t: t, gen: t.gen})
	return t.block(onSleep)
}
