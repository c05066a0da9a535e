//go:build linux

package epoll

// Set is the poller's epoll set.
func Set(p *Poller) int { return p.set }
