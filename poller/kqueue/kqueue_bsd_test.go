//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package kqueue_test

import (
	"testing"

	"bide/poller"
	"bide/poller/kqueue"
	"bide/poller/pollertest"
)

// TestPoller runs the conformance suite on the kernel.
func TestPoller(t *testing.T) {
	pollertest.Test(t, func(t *testing.T) poller.Poller {
		p, err := kqueue.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}
