//go:build !unix

package jobnet

import (
	"errors"
	"net"
)

// No backend polls sockets on this system yet, so no Scheduler can be made
// there, and nothing here is reached.

func sysRead(int, []byte) (int, error)     { return 0, errors.ErrUnsupported }
func sysWrite(int, []byte) (int, error)    { return 0, errors.ErrUnsupported }
func sysAccept(int) (int, net.Addr, error) { return -1, nil, errors.ErrUnsupported }
func sysConnect(*net.TCPAddr) (int, error) { return -1, errors.ErrUnsupported }
func sysError(int) error                   { return errors.ErrUnsupported }
func sysLocal(int) net.Addr                { return nil }
func sysNoDelay(int)                       {}
func sysDup(int) (int, error)              { return -1, errors.ErrUnsupported }
func sysShutdownWrite(int) error           { return errors.ErrUnsupported }
func sysClose(int)                         {}
