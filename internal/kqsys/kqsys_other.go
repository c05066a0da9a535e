//go:build !(darwin || dragonfly || freebsd || netbsd || openbsd)

package kqsys

import "errors"

// Open fails with errors.ErrUnsupported: this system has no kqueue.
func Open() (Sys, error) { return nil, errors.ErrUnsupported }
