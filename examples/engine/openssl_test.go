//go:build openssl && linux && cgo

package main

import (
	"fmt"
	"testing"

	"bide/internal/fdtest"
	"bide/poller/epoll"
)

// TestOpenSSL runs a handshake whose servername callback pauses, and 1,000
// records whose writes do, through a WaitCtx and a poller.
func TestOpenSSL(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	before := paused()
	s, err := newTLS(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.handshake(); err != nil {
		t.Fatal(err)
	}
	if paused() == before {
		t.Error("the handshake did not pause")
	}
	inHandshake := paused()
	for n := range 1000 {
		want := fmt.Sprintf("record %d", n)
		got, err := s.send([]byte(want))
		if err != nil || string(got) != want {
			t.Fatalf("record %d: %q, %v", n, got, err)
		}
	}
	if n := paused() - inHandshake; n < 1000 {
		t.Errorf("%d pauses for 1,000 records", n)
	}
	if err := s.close(); err != nil {
		t.Errorf("close() = %v, want nil", err)
	}
	if ctl := p.Stats().Ctl; ctl != uint64(s.applied) {
		t.Errorf("%d calls of epoll_ctl for %d adds and deletes", ctl, s.applied)
	}
	t.Logf("%d pauses, %d adds and deletes, %d calls of epoll_ctl", paused()-before, s.applied, p.Stats().Ctl)
}
