package poller_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bide/internal/kqmodel"
	"bide/poller/epoll"
	"bide/poller/iocp"
	"bide/poller/iouring"
	"bide/poller/kqueue"
	"bide/poller/pollfd"
	"bide/waitctx"
)

// TestReadmeShowsTheCaps holds the table in the README equal to what the
// backends declare, which the conformance suite holds to be true.
func TestReadmeShowsTheCaps(t *testing.T) {
	e, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	onEpoll := e.Caps()
	onEpoll.SubMilli = true // but in a sandbox without timerfd(2) and epoll_pwait2(2)
	p, err := pollfd.New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	columns := []struct {
		name string
		caps waitctx.Caps
	}{
		{"epoll", onEpoll},
		{"iouring", (*iouring.Poller)(nil).Caps()},
		{"kqueue (FreeBSD)", onModel(t, kqmodel.FreeBSD)},
		{"kqueue (macOS)", onModel(t, kqmodel.Darwin)},
		{"kqueue (NetBSD)", onModel(t, kqmodel.NetBSD)},
		{"kqueue (OpenBSD)", onModel(t, kqmodel.OpenBSD)},
		{"iocp", (*iocp.Poller)(nil).Caps()},
		{"pollfd", p.Caps()},
	}
	rows := []struct {
		name string
		cell func(waitctx.Caps) string
	}{
		{"files and directories", func(c waitctx.Caps) string {
			return map[waitctx.FilePolicy]string{waitctx.RejectFiles: "refused", waitctx.FilesReady: "always ready"}[c.Files]
		}},
		{"anonymous pipes", func(c waitctx.Caps) string { return yes(c.Pipes) }},
		{"Windows events, processes, semaphores", func(c waitctx.Caps) string { return yes(c.Waitables) }},
		{"out-of-band data", func(c waitctx.Caps) string { return yes(c.Priority) }},
		{"detects a descriptor number used again", func(c waitctx.Caps) string { return yes(c.SeesReuse) }},
		{"timeouts below a millisecond", func(c waitctx.Caps) string { return yes(c.SubMilli) }},
		{"can be nested in another loop", func(c waitctx.Caps) string { return yes(c.Nestable) }},
	}
	var want strings.Builder
	want.WriteString("| |")
	for _, c := range columns {
		fmt.Fprintf(&want, " %s |", c.name)
	}
	want.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, r := range rows {
		fmt.Fprintf(&want, "| %s |", r.name)
		for _, c := range columns {
			fmt.Fprintf(&want, " %s |", r.cell(c.caps))
		}
		want.WriteByte('\n')
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), want.String()) {
		t.Errorf("README.md has no such table; it should say\n%s", &want)
	}
}

func onModel(t *testing.T, system kqmodel.System) waitctx.Caps {
	t.Helper()
	m, err := kqmodel.Open(system)
	if err != nil {
		t.Fatal(err)
	}
	p, err := kqueue.NewOn(m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.Caps()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
