package jobnet

import (
	"os"

	"golang.org/x/sys/unix"
)

// sysReusePort has the kernel spread connections: SO_REUSEPORT alone hands all to
// one of the listeners. SO_REUSEPORT_LB came with FreeBSD 12.
func sysReusePort(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT_LB, 1)
	if err == unix.ENOPROTOOPT {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	return os.NewSyscallError("setsockopt", err)
}
