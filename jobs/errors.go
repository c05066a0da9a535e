package jobs

import (
	"errors"
	"fmt"
	"runtime/debug"

	"bide/waitctx"
)

// Errors of waits.
var (
	// ErrCanceled: the job was canceled, also by Pool.Close, or what it waited for
	// was stopped.
	ErrCanceled = errors.New("jobs: canceled")
	// ErrClosed: the Scheduler, Pool or Chan was closed.
	ErrClosed = errors.New("jobs: closed")
	// ErrNoJobs: the Pool has as many jobs as it may.
	ErrNoJobs = errors.New("jobs: no free job")
	// ErrStale: the handle's job has ended.
	ErrStale = errors.New("jobs: job has ended")
	// ErrWouldBlock: a TrySend or TryRecv that would have to wait.
	ErrWouldBlock = errors.New("jobs: would block")
	// ErrNotLoop: the call needs a job of a Scheduler.
	ErrNotLoop = errors.New("jobs: not a job of a scheduler")

	errNotRunning = fmt.Errorf("jobs: a job's handle was used to pause by somebody else: %w", waitctx.ErrBusy)
)

// ErrGoexit is the error of a job that ended by runtime.Goexit.
var ErrGoexit = errors.New("jobs: job called runtime.Goexit")

// PanicError is the error of a job that panicked.
type PanicError struct {
	Value any
	Stack []byte // of the job
}

// newPanic is called by the deferred function that recovered v.
func newPanic(v any) *PanicError { return &PanicError{Value: v, Stack: debug.Stack()} }

func (e *PanicError) Error() string { return fmt.Sprintf("jobs: job panicked: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
