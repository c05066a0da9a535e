package jobs

import (
	"context"
	"errors"
	"sync"
)

// Group is several schedulers, one loop each, for many cores. A job never moves
// from one to another; what is spread over them is connections, by a listener for
// each (see jobnet.ReusePort, and examples/echo).
type Group struct{ loops []*Scheduler }

// NewGroup returns a Group of n schedulers with the same options. Functions given by
// WithErrors and WithWatchdog are called by all loops, also at the same time.
// WithPoller is for a group of one: a poller has one loop.
func NewGroup(n int, opts ...Option) (*Group, error) {
	if n < 1 {
		return nil, errors.New("jobs: a group needs at least one loop")
	}
	var c config
	for _, o := range opts {
		o(&c)
	}
	if c.poller != nil && n > 1 {
		return nil, errors.New("jobs: NewGroup with WithPoller: a poller has one loop; choose a backend by WithBackend")
	}
	g := new(Group)
	for range n {
		s, err := New(opts...)
		if err != nil {
			g.Close()
			return nil, err
		}
		g.loops = append(g.loops, s)
	}
	return g, nil
}

// Schedulers returns the group's loops. The slice is the Group's: it must not be
// changed.
func (g *Group) Schedulers() []*Scheduler { return g.loops }

// Run runs every loop on a goroutine of its own, until ctx is done or a loop
// fails; then the others end too. It returns ctx's cause or the first error, and
// nil once all loops were closed.
func (g *Group) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, s := range g.loops {
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Live is the number of live jobs of all loops.
func (g *Group) Live() int {
	n := 0
	for _, s := range g.loops {
		n += s.Live()
	}
	return n
}

// Close closes every loop.
func (g *Group) Close() error {
	var errs []error
	for _, s := range g.loops {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
