// Package pollertest is the conformance suite of package poller, and an
// in-memory poller for tests of what is built on one.
//
// A backend's test files are one call each of Test, Bench and Fuzz:
//
//	func TestPoller(t *testing.T)      { pollertest.Test(t, open) }
//	func BenchmarkPoller(b *testing.B) { pollertest.Bench(b, open) }
//	func FuzzPoller(f *testing.F)      { pollertest.Fuzz(f, open, oracle) }
//
//	func open[T testing.TB](t T) poller.Poller {
//		p, err := epoll.New()
//		if err != nil {
//			t.Fatal(err)
//		}
//		return p
//	}
//
// Subtests of one number hold the backend to one rule. What a backend declares in
// its Caps decides what is expected of it, so that the declaration is tested too.
// The stress of reused numbers lasts 2 s, or as long as the environment variable
// BIDE_STRESS says (make stress: 30 s).
package pollertest
