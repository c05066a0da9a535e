package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// proxy is what the loops share.
type proxy struct {
	*options
	config *tls.Config
	addr   string // that the listeners listen on
	group  *jobs.Group
	loops  []*loop

	open     atomic.Int64 // connections accepted and not closed
	served   atomic.Int64 // of them, those that have a backend
	starved  atomic.Int64 // and those that wait for a descriptor to have one
	draining atomic.Bool
	drained  chan struct{} // closed when draining and none is open
	once     sync.Once     // closes drained
}

// newProxy makes the loops and has each of them listen.
func newProxy(o *options, cert *tls.Certificate) (*proxy, error) {
	p := &proxy{options: o, addr: o.listen, drained: make(chan struct{})}
	p.config = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
	opts := []jobs.Option{jobs.WithBackend(o.poller)}
	if o.signers > 0 {
		if err := signAside(p.config, cert); err != nil {
			return nil, err
		}
		opts = append(opts, jobs.WithWorkers(1+(o.signers-1)/o.loops))
	}
	if err := probe(o); err != nil {
		return nil, err
	}
	group, err := jobs.NewGroup(o.loops, opts...)
	if err != nil {
		return nil, fmt.Errorf("-loops %d: %w", o.loops, err)
	}
	p.group = group
	for _, s := range group.Schedulers() {
		l, err := jobnet.Listen(s, "tcp", p.addr, jobnet.ReusePort())
		if err != nil {
			p.close()
			return nil, fmt.Errorf("-loops %d: %w", o.loops, err) // the address has been tried
		}
		p.addr = l.Addr().String() // the port, if it was for the system to choose
		p.loops = append(p.loops, newLoop(p, s, l))
	}
	return p, nil
}

// probe reports a port in use. The loops' listeners would not: they share their
// port, with each other and so with any other process that shares it too. One that
// comes between this and the first of them is not noticed.
func probe(o *options) error {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	return l.Close()
}

// serve runs the loops until ctx is done, and drains.
func (p *proxy) serve(ctx context.Context) error {
	running, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.group.Run(running) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err := p.drain()
	stop()
	<-ended
	return err
}

// admitted counts one connection more, if there may be one.
func (p *proxy) admitted() bool {
	for {
		n := p.open.Load()
		if p.maxConns > 0 && n >= int64(p.maxConns) {
			return false
		}
		if p.open.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// released counts one less, and tells whoever waits for that.
func (p *proxy) released() {
	left := p.open.Add(-1)
	if p.maxConns > 0 {
		for _, l := range p.loops {
			l.slotFree()
		}
	}
	if left == 0 && p.draining.Load() {
		p.once.Do(func() { close(p.drained) })
	}
}

// close ends the loops. That a poller could not take back all it asked the system
// for is an error.
func (p *proxy) close() error { return p.group.Close() }
