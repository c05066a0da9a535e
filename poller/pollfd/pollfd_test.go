//go:build unix

package pollfd_test

import (
	"testing"

	"bide/poller"
	"bide/poller/pollertest"
	"bide/poller/pollfd"
)

var _ poller.Poller = (*pollfd.Poller)(nil)

func TestPoller(t *testing.T) { pollertest.Test(t, open) }

func open[T testing.TB](t T) poller.Poller {
	t.Helper()
	p, err := pollfd.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
