package jobnet

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// ErrWouldBlock is what TryRead and its kin return instead of waiting. It is a
// temporary net.Error, which crypto/tls does not take for the end.
var ErrWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "jobnet: would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var (
	errForeign = errors.New("jobnet: the job is not one of the connection's scheduler")
	errLost    = errors.New("jobnet: the job of this call ended before the call")
)

// opError wraps err as package net would. What callers compare with == stays
// bare.
func opError(op, network string, source, addr net.Addr, err error) error {
	if err == nil || err == io.EOF || err == error(ErrWouldBlock) {
		return err
	}
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: err}
}

// sysError names the system call that failed.
func sysError(call string, e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return os.NewSyscallError(call, e)
}
