//go:build !unix || illumos || solaris

package jobnet

import "errors"

func sysReusePort(int) error { return errors.ErrUnsupported }
