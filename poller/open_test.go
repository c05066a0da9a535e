package poller

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestNewOpensWhatBackendsNames(t *testing.T) {
	for i, name := range Backends() {
		p, err := New(WithBackend(name))
		if err != nil {
			t.Fatalf("New(%q) = %v", name, err)
		}
		if got := p.Caps().Name; got != name {
			t.Errorf("New(%q) opened %q", name, got)
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		if i > 0 {
			continue
		}
		best, err := New()
		if err != nil {
			t.Fatalf("New() = %v", err)
		}
		if got := best.Caps().Name; got != name {
			t.Errorf("New() opened %q, want the first of Backends, %q", got, name)
		}
		best.Close()
	}
}

func TestNewSaysWhyABackendIsNotThere(t *testing.T) {
	p, err := New(WithBackend("select"))
	if p != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("New() = %v, %v, want nil, ErrUnsupported", p, err)
	}
	for _, n := range needs {
		here := slices.ContainsFunc(backends(), func(b backend) bool { return b.name == n.name })
		want := n.name + " needs " + n.system
		if got := strings.Contains(err.Error(), want); got == here {
			t.Errorf("New() = %q, which says %q: %v, with it on this system: %v", err, want, got, here)
		}
	}
}

func TestUnavailable(t *testing.T) {
	fine := func() (Poller, error) { panic("opened") }
	refusal := errors.New("setup: operation not permitted")
	others := "iouring needs Linux; kqueue needs macOS or a BSD; iocp needs Windows; pollfd needs a Unix"
	tail := ": " + errors.ErrUnsupported.Error()
	for _, c := range []struct {
		name string
		all  []backend
		want string
	}{
		{"ring", nil, `"ring" on OS: there is none; epoll needs Linux; ` + others},
		{"", nil, `on OS: there is none; epoll needs Linux; ` + others},
		{"ring", []backend{
			{name: "ring", open: fine, check: func() error { return refusal }},
			{name: "epoll", open: fine, check: func() error { return nil }},
		}, `"ring" on OS: there is epoll; ring is refused: setup: operation not permitted; ` + others},
	} {
		want := "poller: no backend " + strings.Replace(c.want, "OS", runtime.GOOS, 1) + tail
		if got := unavailable(c.name, c.all).Error(); got != want {
			t.Errorf("unavailable() =\n%s, want\n%s", got, want)
		}
	}
}
