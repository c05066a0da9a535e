//go:build !unix && !windows

package jobnet

import (
	"errors"
	"net"
	"syscall"
)

// No backend polls sockets on this system yet, so no Scheduler can be made
// there, and nothing here is reached.

const (
	sysInherits         = false
	sysShutdownIsSilent = false
	unnamedAs           = ""
)

func sysRead(int, []byte) (int, syscall.Errno)          { return 0, syscall.ENOSYS }
func sysWrite(int, []byte) (int, syscall.Errno)         { return 0, syscall.ENOSYS }
func sysAccept(int) (int, address, syscall.Errno)       { return -1, address{}, syscall.ENOSYS }
func sysConnect(net.Addr) (int, syscall.Errno)          { return -1, syscall.ENOSYS }
func sysConnected(int) syscall.Errno                    { return syscall.ENOSYS }
func sysLocal(int) address                              { return address{} }
func sysDup(int) (int, error)                           { return -1, errors.ErrUnsupported }
func sysTune(int)                                       {}
func sysPlainTCP(int) bool                              { return false }
func sysNoDelay(int, bool) error                        { return errors.ErrUnsupported }
func sysKeepAlive(int, bool) error                      { return errors.ErrUnsupported }
func sysLinger(int, int) error                          { return errors.ErrUnsupported }
func sysBuffer(int, int, bool) error                    { return errors.ErrUnsupported }
func sysShutdown(int, bool) error                       { return errors.ErrUnsupported }
func sysClose(int)                                      {}
func sysWritev(int, [][]byte) (int, int, syscall.Errno) { return 0, 0, syscall.ENOSYS }
