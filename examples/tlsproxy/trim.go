package main

import (
	"os"
	"runtime/debug"
	"time"
)

// trimAfter is how long the proxy must have been quiet for.
const trimAfter = time.Second

// collectAt is by how many percent the heap grows between collections, unless the
// environment has GOGC. A burst of handshakes leaves its connections scattered
// between what died, and so less of it is on the way; at rest there is nothing to
// collect.
const collectAt = 50

func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

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
