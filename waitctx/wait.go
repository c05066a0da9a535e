package waitctx

import (
	"errors"
	"fmt"
	"reflect"
)

// Wait is one descriptor a job waits for.
type Wait struct {
	FD       FD
	Interest Interest // zero means Readable
	Kind     Kind
	Data     any // the producer's own; never looked at here
	// Cleanup, if set, runs once when the context drops the wait by itself: by
	// Release, by Close, or because the kernel refused it. It runs after the
	// delete was acknowledged, so it may close FD, on the goroutine that calls Ack,
	// Release or Close: the loop's, if that is a Scheduler, which it must not block.
	// Clear and Replace hand the wait back instead and do not run it.
	Cleanup func(key any, w Wait)
}

// MaxWaits is how many waits one context holds at a time, those included whose
// delete was not acknowledged yet.
const MaxWaits = 1<<placeBits - 1

// Errors of Set, Replace and SetInterest. ErrNoKey is of jobs.Job.WaitKey too.
var (
	ErrKeyExists = errors.New("waitctx: key is already set (use Replace)")
	ErrNoKey     = errors.New("waitctx: no such key")
	ErrBadKey    = errors.New("waitctx: key cannot be compared")
	ErrBadFD     = errors.New("waitctx: bad file descriptor")
	ErrFull      = fmt.Errorf("waitctx: more than %d waits", MaxWaits)
)

const anyInterest = Readable | Writable | Priority | Silent | Edge

// accepts reports whether a wait may be set.
func (c *WaitCtx) accepts(key any, fd FD, i Interest) bool {
	return !c.closed && fd != BadFD && i <= anyInterest && canCompare(key)
}

// refusal is the error of what accepts does not accept.
func (c *WaitCtx) refusal(key any, fd FD, i Interest) error {
	switch {
	case c.closed:
		return ErrClosed
	case !canCompare(key):
		return fmt.Errorf("%w: %T", ErrBadKey, key)
	case fd == BadFD:
		return ErrBadFD
	}
	return fmt.Errorf("waitctx: unknown interest %#x", uint8(i))
}

// canCompare reports whether key can be compared without a panic.
func canCompare(key any) bool {
	v := reflect.ValueOf(key)
	return partly>>v.Kind()&1 == 0 || v.Comparable()
}

// partly has a bit for each kind of which not every value can be compared.
const partly = 1<<reflect.Slice | 1<<reflect.Map | 1<<reflect.Func | 1<<reflect.Struct | 1<<reflect.Array
