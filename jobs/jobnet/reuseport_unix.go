//go:build unix && !freebsd && !illumos && !solaris

package jobnet

import (
	"os"

	"golang.org/x/sys/unix"
)

func sysReusePort(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}
