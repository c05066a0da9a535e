package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// drain stops accepting and waits for the connections there are. Those that are
// left after -drain-timeout are cut, and counted in its error.
func (p *proxy) drain() error {
	p.everyLoop((*loop).stopAccepting)
	p.draining.Store(true) // from here on the last one closed closes p.drained
	if p.open.Load() == 0 {
		return nil
	}
	timeout := time.NewTimer(p.drainTimeout)
	defer timeout.Stop()
	select {
	case <-p.drained:
		return nil
	case <-timeout.C:
	}
	var cut atomic.Int64
	p.everyLoop(func(l *loop) { cut.Add(l.cut()) })
	if n := cut.Load(); n > 0 {
		return fmt.Errorf("drain: %d connections were cut after %v", n, p.drainTimeout)
	}
	return nil
}

// everyLoop runs fn on every loop and waits for that.
func (p *proxy) everyLoop(fn func(*loop)) {
	var wg sync.WaitGroup
	for _, l := range p.loops {
		wg.Add(1)
		if !l.sched.Post(func() { fn(l); wg.Done() }) {
			wg.Done()
		}
	}
	wg.Wait()
}

// stopAccepting closes the listener, but first takes what the kernel has
// accepted already: those connections would be reset.
func (l *loop) stopAccepting() {
	for {
		raw, err := l.listener.TryAccept()
		if err != nil {
			break
		}
		if !l.admitted() {
			raw.Close()
			continue
		}
		l.begin(raw)
	}
	l.listener.Close()
	l.stopping = true
	l.slotFree()
}

// cut closes the connections that are left and returns how many they were.
func (l *loop) cut() (n int64) {
	for l.conns.front != nil {
		l.conns.front.abort()
		n++
	}
	return n
}
