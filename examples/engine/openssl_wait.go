//go:build openssl && linux && cgo

package main

import (
	"bide/jobs"
	"bide/poller"
	"bide/waitctx"
)

// waiting is where a server's wait fds go, and how it waits for them.
type waiting interface {
	ctx() *waitctx.WaitCtx
	apply() error // what changed in ctx
	pause() error // applies that, and returns when a wait is ready
}

// onPoller waits in a poller: a loop of one.
type onPoller struct {
	p       poller.Poller
	wc      waitctx.WaitCtx
	changes []waitctx.Change
	applied int // adds and deletes
}

func (h *onPoller) ctx() *waitctx.WaitCtx { return &h.wc }

func (h *onPoller) apply() error {
	h.changes = h.wc.Changes(h.changes[:0])
	if len(h.changes) == 0 {
		return nil
	}
	h.applied += len(h.changes)
	if err := h.p.Apply(h.changes); err != nil {
		return err
	}
	h.wc.Ack()
	return nil
}

func (h *onPoller) pause() error {
	if err := h.apply(); err != nil {
		return err
	}
	var events [4]waitctx.Event
	_, err := h.p.Wait(events[:], -1)
	return err
}

// inJob waits as a job of a Scheduler, which applies what changed: a job of
// OpenSSL's, paused in C, within one of bide's.
type inJob struct{ j jobs.Job }

func (h inJob) ctx() *waitctx.WaitCtx { return h.j.WaitCtx() }
func (h inJob) apply() error          { return h.j.Sleep(0) } // until the turn has ended
func (h inJob) pause() error          { return h.j.Pause() }
