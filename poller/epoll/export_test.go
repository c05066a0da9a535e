//go:build linux

package epoll

// Set is the poller's epoll set.
func Set(p *Poller) int { return p.set }

// Park has the next Wait that sleeps do so on Go's netpoller, though the last one
// was brief. Not to be called during a Wait.
func Park(p *Poller) { p.parked.brief = false }
