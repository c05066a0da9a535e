//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package kqueue_test

import (
	"testing"

	"bide/poller"
	"bide/poller/kqueue"
	"bide/poller/pollertest"
	"bide/poller/pollfd"
)

// TestPoller runs the conformance suite on the kernel.
func TestPoller(t *testing.T) { pollertest.Test(t, open) }

func FuzzPoller(f *testing.F) {
	pollertest.Fuzz(f, open, func(t *testing.T) poller.Poller {
		p, err := pollfd.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

func BenchmarkPoller(b *testing.B) { pollertest.Bench(b, open) }

func open[T testing.TB](t T) poller.Poller {
	t.Helper()
	p, err := kqueue.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
