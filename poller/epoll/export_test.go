//go:build linux

package epoll

// Set is the poller's epoll set.
func Set(p *Poller) int { return p.set }

// Park has the next Wait that sleeps do so on Go's netpoller, though the last ones
// were brief. Not to be called during a Wait.
func Park(p *Poller) { p.held.on = false }

// Parked reports whether the last sleep was on Go's netpoller, if there was one.
func Parked(p *Poller) bool { return p.parked.asked > 0 }
