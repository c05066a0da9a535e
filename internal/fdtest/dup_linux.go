package fdtest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// dup2 goes by dup3(2), as arm64 has no dup2.
func dup2(from, to int) error { return unix.Dup3(from, to, unix.O_CLOEXEC) }

// Eventfd opens an eventfd with a count of zero.
func Eventfd(t testing.TB) *File {
	t.Helper()
	num, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatalf("eventfd: %v", err)
	}
	return New(t, num)
}
