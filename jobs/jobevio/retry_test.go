//go:build linux || darwin || freebsd

package jobevio

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/evio"
)

// scripted is a connection of evio's that does with a Wake what the test says.
type scripted struct {
	evio.Conn
	wakes chan struct{}
}

func (s *scripted) Wake() { s.wakes <- struct{}{} }

// TestWakeIsRepeated: evio swallows wakes. A loop that has been told, and has had
// no callback, wakes it again until it has, and no longer.
func TestWakeIsRepeated(t *testing.T) {
	l, err := newLoop(&server{Server: Server{Failed: func(string, error) {}}})
	if err != nil {
		t.Fatal(err)
	}
	ec := &scripted{wakes: make(chan struct{}, 1000)}
	c := &Conn{inner: inner{fd: -1, out: new([]byte)}, ec: ec, l: l}
	l.add(c)
	wake := func(what string) {
		t.Helper()
		select {
		case <-ec.wakes:
		case <-time.After(20 * time.Second):
			t.Fatalf("no Wake %s", what)
		}
	}
	for range 3 {
		ran := false
		l.s.Post(func() { ran = true })
		wake("after a post")
		for range 3 {
			wake("after one that was swallowed")
		}
		l.enter(c)
		if out, action := l.leave(); len(out) != 0 || action != evio.None {
			t.Errorf("the callback answers %q, %v, want nothing", out, action)
		}
		if !ran || l.told.Load() {
			t.Errorf("after the callback: ran = %v, told = %v, want true, false", ran, l.told.Load())
		}
		for len(ec.wakes) > 0 {
			<-ec.wakes
		}
	}
	// With nothing to do there are none, but for one that was under way.
	var posted atomic.Bool
	time.AfterFunc(20*retryAfter, func() {
		posted.Store(true)
		l.s.Post(func() {})
	})
	strays := 0
	for wake("after the last post"); !posted.Load(); wake("after the last post") {
		strays++
	}
	if strays > 1 {
		t.Errorf("%d wakes with nothing to do, want 1 at most", strays)
	}
	l.remove(c)
	l.close()
}
