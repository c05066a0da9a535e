package kqueue_test

import (
	"testing"

	"bide/internal/kqmodel"
	"bide/poller"
	"bide/poller/kqueue"
	"bide/poller/pollertest"
	"bide/poller/pollfd"
)

// TestPoller runs the conformance suite on the model of each system's kqueue.
func TestPoller(t *testing.T) {
	for _, system := range kqmodel.Systems {
		t.Run(system.Caps.System, func(t *testing.T) {
			pollertest.Test(t, func(t *testing.T) poller.Poller { return open(t, system) })
		})
	}
}

// One target for each system: the fuzzer looks for what is new to one of them.

func FuzzFreeBSD(f *testing.F) { fuzz(f, kqmodel.FreeBSD) }
func FuzzDarwin(f *testing.F)  { fuzz(f, kqmodel.Darwin) }
func FuzzNetBSD(f *testing.F)  { fuzz(f, kqmodel.NetBSD) }
func FuzzOpenBSD(f *testing.F) { fuzz(f, kqmodel.OpenBSD) }

func fuzz(f *testing.F, system kqmodel.System) {
	pollertest.Fuzz(f,
		func(t *testing.T) poller.Poller { return open(t, system) },
		func(t *testing.T) poller.Poller {
			p, err := pollfd.New()
			if err != nil {
				t.Fatal(err)
			}
			return p
		})
}

// BenchmarkPoller measures the backend together with the model, whose answers
// take longer than a kernel's: it tells a change for the worse, and no more.
func BenchmarkPoller(b *testing.B) {
	for _, system := range kqmodel.Systems {
		b.Run(system.Caps.System, func(b *testing.B) {
			pollertest.Bench(b, func(b *testing.B) poller.Poller { return open(b, system) })
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
