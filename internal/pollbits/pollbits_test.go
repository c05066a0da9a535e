//go:build unix

package pollbits

import (
	"testing"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

const (
	silent   = waitctx.Silent
	readable = waitctx.Readable
	writable = waitctx.Writable
	priority = waitctx.Priority
)

func TestMask(t *testing.T) {
	for _, c := range []struct {
		interest waitctx.Interest
		want     uint32
	}{
		{silent, 0},
		{readable, unix.POLLIN | rdHup},
		{writable, unix.POLLOUT},
		{priority, unix.POLLPRI},
		{readable | writable | priority, unix.POLLIN | rdHup | unix.POLLOUT | unix.POLLPRI},
		{readable | waitctx.Edge, unix.POLLIN | rdHup},
	} {
		if got := Mask(c.interest); got != c.want {
			t.Errorf("Mask(%#x) = %#x, want %#x", c.interest, got, c.want)
		}
	}
}

func TestReady(t *testing.T) {
	const all = unix.POLLIN | unix.POLLOUT | unix.POLLPRI
	for _, c := range []struct {
		name     string
		events   uint32
		interest waitctx.Interest
		want     waitctx.Ready
	}{
		{"nothing", 0, readable | writable | priority, 0},
		{"silent", all, silent, 0},
		{"only what was asked for", all, readable, waitctx.ReadyIn},
		{"only what was asked for", all, writable, waitctx.ReadyOut},
		{"only what was asked for", all, priority, waitctx.ReadyPri},
		{"hang-up, silent", unix.POLLHUP, silent, waitctx.ReadyHup},
		{"error, silent", unix.POLLERR, silent, waitctx.ReadyErr},
		{"hang-up", unix.POLLHUP, readable, waitctx.ReadyHup | waitctx.ReadyIn},
		{"hang-up", unix.POLLHUP, writable, waitctx.ReadyHup | waitctx.ReadyOut},
		{"hang-up", unix.POLLHUP, priority, waitctx.ReadyHup},
		{"error", unix.POLLERR, readable | writable, waitctx.ReadyErr | waitctx.ReadyIn | waitctx.ReadyOut},
		{"both", unix.POLLERR | unix.POLLHUP, silent, waitctx.ReadyErr | waitctx.ReadyHup},
	} {
		if got := Ready(c.events, c.interest); got != c.want {
			t.Errorf("%s: Ready(%#x, %#x) = %#x, want %#x", c.name, c.events, c.interest, got, c.want)
		}
	}
}

// The peer's last byte is told to those who read alone.
func TestPeerShutDownWriting(t *testing.T) {
	if rdHup == 0 {
		t.Skip("no POLLRDHUP")
	}
	if got := Ready(rdHup, readable); got != waitctx.ReadyIn|waitctx.ReadyRdHup {
		t.Errorf("Ready() = %#x, want In and RdHup", got)
	}
	if got := Ready(rdHup, writable|priority); got != 0 {
		t.Errorf("Ready() = %#x for one who does not read, want 0", got)
	}
}
