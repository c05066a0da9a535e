package iocp_test

import (
	"testing"

	"bide/poller"
	"bide/poller/iocp"
	"bide/poller/pollertest"
)

func TestPoller(t *testing.T) {
	pollertest.Test(t, func(t *testing.T) poller.Poller {
		p, err := iocp.New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}
