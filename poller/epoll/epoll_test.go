//go:build linux

package epoll_test

import (
	"testing"

	"bide/poller"
	"bide/poller/epoll"
	"bide/poller/pollertest"
)

func TestPoller(t *testing.T) {
	pollertest.Test(t, func(t *testing.T) poller.Poller {
		p, err := epoll.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}
