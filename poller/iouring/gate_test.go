//go:build linux

package iouring

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"bide/internal/fdtest"

	"golang.org/x/sys/unix"
)

func TestOldKernelIsRefused(t *testing.T) {
	for release, want := range map[string]string{
		"6.1.0-18-amd64":         "",
		"6.18.44":                "",
		"6.10":                   "",
		"10.0-rc1":               "",
		"6.0.19":                 "kernel 6.0.19 is older than 6.1",
		"5.15.0-91-generic":      "kernel 5.15.0-91-generic is older than 6.1",
		"4.14.336-257.562.amzn2": "kernel 4.14.336-257.562.amzn2 is older than 6.1",
		"":                       `kernel release "" cannot be read`,
		"plan9":                  `kernel release "plan9" cannot be read`,
	} {
		err := checkRelease(release)
		if want == "" {
			if err != nil {
				t.Errorf("checkRelease(%q) = %v, want nil", release, err)
			}
			continue
		}
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("checkRelease(%q) = %v, want ErrUnsupported with %q", release, err, want)
		}
	}
}

func TestMissingFeatureIsRefused(t *testing.T) {
	if err := checkFeatures(needed | 1<<30); err != nil {
		t.Errorf("checkFeatures(all) = %v, want nil", err)
	}
	for _, feature := range []uint32{featExtArg, featNoDrop, featSingleMmap} {
		if err := checkFeatures(needed &^ feature); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("checkFeatures(all but %#x) = %v, want ErrUnsupported", feature, err)
		}
	}
}

// TestPolicyIsNamed has seccomp(2) refuse io_uring to one thread, which then
// ends.
func TestPolicyIsNamed(t *testing.T) {
	if err := checkRelease(release()); err != nil {
		t.Skip(err)
	}
	if text, _ := os.ReadFile(disabledSysctl); strings.TrimSpace(string(text)) != "0" && text != nil {
		t.Skip("sysctl kernel.io_uring_disabled comes before seccomp")
	}
	for _, c := range []struct {
		call  uint32
		errno unix.Errno
		want  string
	}{
		{unix.SYS_IO_URING_SETUP, unix.EPERM, "a policy (seccomp, or a security module) forbids io_uring"},
		{unix.SYS_IO_URING_SETUP, unix.ENOSYS, "the kernel has no io_uring, or a sandbox hides it"},
		{unix.SYS_IO_URING_ENTER, unix.EPERM, "a policy (seccomp, or a security module) forbids io_uring"},
	} {
		var setup, err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlocked, so that the thread ends
			if setup = fdtest.Forbid(c.call, c.errno); setup == nil {
				var p *Poller
				if p, err = New(); err == nil {
					p.Close()
				}
			}
		}()
		<-done
		if setup != nil {
			t.Skipf("seccomp: %v", setup)
		}
		if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, c.errno) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New() = %v, want ErrUnsupported and %v, with %q", err, c.errno, c.want)
		}
	}
}
