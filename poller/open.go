package poller

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// backend is one way to poll this system has, the best first.
type backend struct {
	name string
	open func() (Poller, error)
}

// New opens the system's best backend, or the one that WithBackend names. On a
// system without any the error is errors.ErrUnsupported.
func New(opts ...Option) (Poller, error) {
	var c config
	for _, o := range opts {
		o(&c)
	}
	all := backends()
	if len(all) == 0 {
		return nil, fmt.Errorf("poller: no backend for %s yet: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	for _, b := range all {
		if c.backend == "" || c.backend == b.name {
			return b.open()
		}
	}
	return nil, fmt.Errorf("poller: no backend %q on %s: use one of %s",
		c.backend, runtime.GOOS, strings.Join(Backends(), ", "))
}

// Backends names the backends of this system, the best first.
func Backends() []string {
	var names []string
	for _, b := range backends() {
		names = append(names, b.name)
	}
	return names
}
