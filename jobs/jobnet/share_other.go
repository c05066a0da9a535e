//go:build !windows

package jobnet

import (
	"syscall"

	"bide/jobs"
)

// Here others are kept from a port that is listened on without asking.
var exclusive func(network, address string, c syscall.RawConn) error

// Where there is SO_REUSEPORT the process need not share a socket by itself.

func sysShareLock() (unlock func())                                     { return func() {} }
func sharedListener(*jobs.Scheduler, string, string) (*Listener, error) { return nil, nil }
func sysShare(int, string, ...string)                                   {}
