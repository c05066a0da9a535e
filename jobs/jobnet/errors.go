package jobnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"bide/jobs"
)

// ErrWouldBlock is what TryRead and its kin return instead of waiting. It is
// jobs.ErrWouldBlock to errors.Is, and a temporary net.Error, which crypto/tls does
// not take for the end.
var ErrWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "jobnet: would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }
func (wouldBlock) Unwrap() error   { return jobs.ErrWouldBlock }

var (
	errForeign = errors.New("jobnet: the job is not one of the connection's scheduler")
	errLost    = errors.New("jobnet: the job of this call ended before the call")
)

// foreign is why a call refuses a job that is not one of its scheduler.
func foreign(j jobs.Job) error {
	if j != (jobs.Job{}) && !j.Valid() {
		return jobs.ErrStale
	}
	return errForeign
}

// waitError is a wait's error as package net has it: what closes a scheduler
// closes its connections.
func waitError(err error) error {
	if errors.Is(err, jobs.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

// ended is why a dial ended with its context, in package net's words.
type ended struct{ err, cause error }

func (e ended) Error() string {
	if e.Timeout() {
		return os.ErrDeadlineExceeded.Error()
	}
	return "operation was canceled"
}

func (e ended) Timeout() bool   { return e.err == context.DeadlineExceeded }
func (e ended) Unwrap() []error { return []error{e.err, e.cause} }

// bare reports whether err is returned as it is, since callers compare it with
// ==; other errors are wrapped as package net does.
func bare(err error) bool {
	return err == nil || err == io.EOF || err == error(ErrWouldBlock)
}

// sysError names the system call that failed.
func sysError(call string, e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return os.NewSyscallError(call, e)
}
