package poller

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// backend is one way to poll that this system may have.
type backend struct {
	name  string
	open  func() (Poller, error)
	check func() error // why the running kernel refuses it; nil if none does
}

// needs says what each backend takes, for systems that lack it. A backend is
// one line here, and one in the open_*.go of its systems.
var needs = []struct{ name, system string }{
	{"epoll", "Linux"},
	{"iouring", "Linux"},
	{"kqueue", "macOS or a BSD"},
	{"iocp", "Windows"},
	{"pollfd", "a Unix"},
}

// New opens the system's best backend, or the one that WithBackend names. If
// there is no such backend here, the error wraps errors.ErrUnsupported, names
// those there are, and says of each other one why it is not available.
func New(opts ...Option) (Poller, error) {
	var c config
	for _, o := range opts {
		o(&c)
	}
	for _, b := range backends() {
		if c.backend != "" && c.backend != b.name || b.refused() != nil {
			continue
		}
		p, err := b.open()
		if err != nil {
			return nil, fmt.Errorf("poller: opening %s: %w", b.name, err)
		}
		return p, nil
	}
	return nil, unavailable(c.backend, backends())
}

// Backends names the backends that New can open here, the best first.
func Backends() []string { return names(backends()) }

func names(all []backend) []string {
	var names []string
	for _, b := range all {
		if b.refused() == nil {
			names = append(names, b.name)
		}
	}
	return names
}

func (b *backend) refused() error {
	if b.check == nil {
		return nil
	}
	return b.check()
}

// unavailable is the error of New, on a system with these backends.
func unavailable(name string, all []backend) error {
	var msg strings.Builder
	msg.WriteString("poller: no backend")
	if name != "" {
		fmt.Fprintf(&msg, " %q", name)
	}
	fmt.Fprintf(&msg, " on %s: ", runtime.GOOS)
	if names := names(all); len(names) > 0 {
		msg.WriteString("there is " + strings.Join(names, ", "))
	} else {
		msg.WriteString("there is none")
	}
	here := make(map[string]bool)
	for _, b := range all {
		here[b.name] = true
		if err := b.refused(); err != nil {
			fmt.Fprintf(&msg, "; %s is refused: %v", b.name, err)
		}
	}
	for _, n := range needs {
		if !here[n.name] {
			fmt.Fprintf(&msg, "; %s needs %s", n.name, n.system)
		}
	}
	return fmt.Errorf("%s: %w", &msg, errors.ErrUnsupported)
}
