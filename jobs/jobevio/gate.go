//go:build linux || darwin || freebsd

package jobevio

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"bide/poller"
	"bide/waitctx"
)

// gate is the scheduler's poller: the kernel's, asked only when there is
// something to hear. A goroutine beside the loop waits for its descriptor, says
// so, and rests until the loop has asked.
type gate struct {
	poller.Poller
	l     *loop
	outer poller.Poller // that watches FD of the first
	ready atomic.Bool   // there is something
	again chan struct{} // the loop has asked
	quit  chan struct{}
	done  chan struct{}

	// Of the loop's goroutine:
	asked bool // the goroutine rests, and need not any more
	look  bool // ask in any case
}

func newGate(l *loop) (*gate, error) {
	p, err := poller.New()
	if err != nil {
		return nil, err
	}
	outer, err := poller.New()
	if err != nil {
		p.Close()
		return nil, err
	}
	g := &gate{Poller: p, l: l, outer: outer,
		again: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	fd, ok := p.FD()
	if !ok {
		err = fmt.Errorf("jobevio: no descriptor of poller %s to wait for: too few are left", p.Caps().Name)
		if !p.Caps().Nestable {
			err = fmt.Errorf("jobevio: poller %s: %w", p.Caps().Name, errors.ErrUnsupported)
		}
	} else {
		err = outer.Apply([]waitctx.Change{{Op: waitctx.OpAdd, ID: 1, FD: fd, Interest: waitctx.Readable}})
	}
	if err != nil {
		p.Close()
		outer.Close()
		return nil, err
	}
	go g.watch()
	return g, nil
}

func (g *gate) watch() {
	defer close(g.done)
	var events [1]waitctx.Event
	for {
		n, err := g.outer.Wait(events[:], -1)
		if err != nil {
			if !errors.Is(err, waitctx.ErrClosed) {
				g.l.r.fail(err)
			}
			return
		}
		if n == 0 {
			continue
		}
		g.ready.Store(true)
		g.l.tell()
		select {
		case <-g.again:
		case <-g.quit:
			return
		}
	}
}

// Wait is called by turns, which do not sleep.
func (g *gate) Wait(dst []waitctx.Event, _ time.Duration) (int, error) {
	if g.ready.Load() {
		g.ready.Store(false)
		g.asked = true
	} else if !g.look {
		return 0, nil
	}
	g.look = false
	return g.Poller.Wait(dst, 0)
}

// Wake is the scheduler's way to say that it has something to do.
func (g *gate) Wake() error {
	g.l.tell()
	return nil
}

// Rearm may take effect in the next Wait only, so there is one.
func (g *gate) Rearm(fd waitctx.FD, id waitctx.ID) {
	g.Poller.Rearm(fd, id)
	g.look = true
	g.l.tell()
}

// resume lets the goroutine look again, after a callback that has asked.
func (g *gate) resume() {
	if g.asked {
		g.asked = false
		g.again <- struct{}{}
	}
}

// stop ends the goroutine.
func (g *gate) stop() {
	close(g.quit)
	g.outer.Close()
	<-g.done
}

// close closes the scheduler's poller, which is ours to close.
func (g *gate) close() {
	select {
	case <-g.done:
	default:
		g.stop()
	}
	g.Poller.Close()
}
