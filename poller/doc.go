// Package poller tells the kernel what to watch, and hears from it what is
// ready. It holds the contract that every backend keeps, and opens them; the
// backends are packages of their own, and can be used without this one.
//
// A consumer applies the differences that contexts report, and waits:
//
//	p, err := poller.New()
//	...
//	changes = wc.Changes(changes[:0])
//	if p.Apply(changes) != nil {
//		// each change's Err says which failed, and why
//	}
//	n, err := p.Wait(events, timeout)
//	for _, e := range events[:n] {
//		// e.Token is the one the change carried
//	}
//
// # Level-triggered
//
// A registration is told by every Wait at whose entry it is ready for its
// interest, until it is drained, deleted or suppressed. With more ready than
// fits, each is told within as many Waits as it takes to tell all. So an event
// may be left alone and asked for again, and nothing is lost by reading only
// part of what there is.
//
// # Registrations and descriptors
//
// A registration is named by the ID of its change. Several may share a
// descriptor; each hears what its own interest asks for. A descriptor belongs
// to the caller, who deletes its registrations before closing it. Closing first
// is an error the poller survives: the late delete succeeds, and never harms
// whoever got the number next. Until then the registration may be told of the
// old file, of the number's new one, of waitctx.ReadyClosed, or not at all.
package poller
