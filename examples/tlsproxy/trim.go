package main

import (
	"runtime/debug"
	"time"
)

// trimAfter is how long the proxy must have been quiet for.
const trimAfter = time.Second

// startTrimming gives unused memory back to the system once after every burst
// of activity: handshakes need much, connections at rest little. The returned
// function stops it.
func (p *proxy) startTrimming() (stop func()) {
	tick := time.NewTicker(trimAfter)
	done := make(chan struct{})
	go func() {
		defer tick.Stop()
		var seen uint64
		busy := false
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now := p.activity()
			if now == seen && busy {
				debug.FreeOSMemory()
			}
			busy, seen = now != seen, now
		}
	}()
	return func() { close(done) }
}

// activity is a number that differs whenever connections did anything.
func (p *proxy) activity() (n uint64) {
	for _, l := range p.loops {
		n += l.accepted.Load() + l.closed.Load() + l.bytesUp.Load() + l.bytesDown.Load()
	}
	return n
}
