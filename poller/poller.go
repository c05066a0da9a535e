// Package poller tells the kernel what to watch, and hears from it what is ready.
package poller

import (
	"time"

	"bide/waitctx"
)

// Poller is the contract every backend keeps.
type Poller interface {
	Apply(changes []waitctx.Change) error
	Wait(dst []waitctx.Event, timeout time.Duration) (int, error)
	Wake() error
	Suppress(fd waitctx.FD, id waitctx.ID)
	Rearm(fd waitctx.FD, id waitctx.ID)
	Caps() waitctx.Caps
	FD() (waitctx.FD, bool)
	Close() error
}

type Option func(*config)

type config struct{ backend string }

// WithBackend names the backend.
func WithBackend(name string) Option { return func(c *config) { c.backend = name } }
