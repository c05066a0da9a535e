package kqueue_test

import (
	"testing"

	"bide/internal/kqmodel"
	"bide/poller"
	"bide/poller/kqueue"
	"bide/poller/pollertest"
)

// TestPoller runs the conformance suite on the model of each system's kqueue.
func TestPoller(t *testing.T) {
	for _, system := range kqmodel.Systems {
		t.Run(system.Caps.System, func(t *testing.T) {
			pollertest.Test(t, func(t *testing.T) poller.Poller { return open(t, system) })
		})
	}
}

func open(t testing.TB, system kqmodel.System) *kqueue.Poller {
	t.Helper()
	sys, err := kqmodel.Open(system)
	if err != nil {
		t.Fatal(err)
	}
	p, err := kqueue.NewOn(sys)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
