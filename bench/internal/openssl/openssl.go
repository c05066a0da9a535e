//go:build openssl && linux && cgo

package openssl

// #cgo CFLAGS: -O2
// #cgo LDFLAGS: -lcrypto
// #include "loops.h"
import "C"

import "time"

// Resume resumes a job n times, which pauses each time.
func Resume(n int) time.Duration { return took(C.resume(C.long(n))) }

// StartFinish runs n jobs of a pool, one after the other.
func StartFinish(n int) time.Duration { return took(C.start_finish(C.long(n))) }

// Diff clears one wait fd among so many, sets it anew and asks what changed, n
// times, in a job. What the job's pauses cost is subtracted, but not what
// OpenSSL does to the context when a job goes on: that ends the difference, as
// Ack does.
func Diff(n, waits int) time.Duration {
	return took(C.diff(C.long(n), C.long(waits))) - Resume(n)
}

// PauseJobs leaves n jobs paused.
func PauseJobs(n int) { took(C.pause_jobs(C.long(n))) }

// NewWaitCtxs leaves n contexts of one wait fd each.
func NewWaitCtxs(n int) { took(C.new_wait_ctxs(C.long(n))) }

func took(ns C.int64_t) time.Duration {
	if ns < 0 {
		panic("openssl: a loop failed")
	}
	return time.Duration(ns)
}
