//go:build linux

package iouring

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// needed are the features without which Wait could not keep its promises. All
// of them came before 6.1, but a vendor's kernel may say one thing and be
// another.
const needed = featSingleMmap | featNoDrop | featPoll32 | featExtArg | featCQESkip

// minMajor and minMinor: the races of polls against wake-ups, cancels and freed
// wait queues were fixed step by step from 5.13 to 6.1, and no feature bit says
// so.
const minMajor, minMinor = 6, 1

// disabledSysctl is described in io_uring_setup(2): 1 is for members of a
// group, 2 for nobody.
const disabledSysctl = "/proc/sys/kernel/io_uring_disabled"

// Available says why this system refuses io_uring, and returns nil where New
// can be expected to succeed. It looks once in the life of the process.
func Available() error { return available() }

var available = sync.OnceValue(func() error {
	p, err := New()
	if err == nil {
		return p.Close()
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return nil // the process lacks something, such as descriptors
	}
	return err
})

// unsupported is the error of New where the kernel or a policy says no. It is
// errors.ErrUnsupported, and also what the kernel answered, if it was asked.
func unsupported(why string, err error) error {
	if err == nil {
		return fmt.Errorf("iouring: %w: %s", errors.ErrUnsupported, why)
	}
	return fmt.Errorf("iouring: %w: %s: %w", errors.ErrUnsupported, why, err)
}

// checkRelease refuses a kernel older than the polls can be relied upon.
func checkRelease(release string) error {
	major, rest, _ := strings.Cut(release, ".")
	minor := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		minor = rest[:end]
	}
	x, err1 := strconv.Atoi(major)
	y, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil {
		return unsupported(fmt.Sprintf("kernel release %q cannot be read, and %d.%d is needed", release, minMajor, minMinor), nil)
	}
	if x < minMajor || x == minMajor && y < minMinor {
		return unsupported(fmt.Sprintf("kernel %s is older than %d.%d", release, minMajor, minMinor), nil)
	}
	return nil
}

// checkFeatures refuses a kernel that lacks a feature.
func checkFeatures(features uint32) error {
	if missing := needed &^ features; missing != 0 {
		return unsupported(fmt.Sprintf("the kernel lacks features %#x of io_uring", missing), nil)
	}
	return nil
}

// explain names the reason why the kernel refused.
func explain(err error) error {
	sysctl, _ := os.ReadFile(disabledSysctl)
	disabled := strings.TrimSpace(string(sysctl))
	switch {
	case errors.Is(err, unix.ENOSYS):
		return unsupported("the kernel has no io_uring, or a sandbox hides it", err)
	case errors.Is(err, unix.EINVAL):
		return unsupported("the kernel lacks a flag of io_uring", err)
	case errors.Is(err, unix.EPERM) && (disabled == "1" || disabled == "2"):
		return unsupported("sysctl kernel.io_uring_disabled is "+disabled, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return unsupported("a policy (seccomp, or a security module) forbids io_uring", err)
	}
	return err
}

// release is what uname(2) calls the kernel.
func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
