//go:build unix

package pollfd_test

import (
	"testing"

	"bide/poller"
	"bide/poller/pollertest"
	"bide/poller/pollfd"
)

var _ poller.Poller = (*pollfd.Poller)(nil)

func TestPoller(t *testing.T) {
	pollertest.Test(t, func(t *testing.T) poller.Poller {
		p, err := pollfd.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}
