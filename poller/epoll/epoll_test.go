//go:build linux

package epoll_test

import (
	"testing"

	"bide/poller"
	"bide/poller/epoll"
	"bide/poller/pollertest"
	"bide/poller/pollfd"
)

var _ poller.Poller = (*epoll.Poller)(nil)

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

func open[T testing.TB](t T) poller.Poller {
	t.Helper()
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
