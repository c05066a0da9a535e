package jobnet_test

import (
	"testing"

	"bide/internal/kqmodel"
	"bide/poller"
	"bide/poller/kqueue"
)

func init() {
	for _, system := range kqmodel.Systems {
		modelled["kqueue "+system.Caps.System] = func(t testing.TB) poller.Poller {
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
	}
}
