//go:build linux || darwin || freebsd

package jobevio

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
)

// TestParked: only a goroutine that waits on a sync.Cond counts.
func TestParked(t *testing.T) {
	fdtest.CheckGoroutines(t)
	if parked(goroutineID()) {
		t.Error("the test's own goroutine is parked")
	}
	var mu sync.Mutex
	cond, ids := sync.NewCond(&mu), make(chan []byte)
	mu.Lock()
	go func() {
		ids <- goroutineID()
		mu.Lock()
		defer mu.Unlock()
		cond.Wait()
		ids <- nil
	}()
	id := <-ids
	if parked(id) {
		t.Error("a goroutine that wants a lock is parked")
	}
	mu.Unlock()
	for start := time.Now(); !parked(id); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("a goroutine that waits on a Cond is not parked")
		}
	}
	mu.Lock()
	cond.Signal()
	mu.Unlock()
	<-ids
	if parked(id) {
		t.Error("a goroutine that goes on is parked")
	}
}

// TestStopAtOnce ends servers as soon as they listen, when evio may not wait for
// the end of its loops yet.
func TestStopAtOnce(t *testing.T) {
	fdtest.Check(t)
	errEnd := errors.New("the end")
	for range 100 {
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error, 1)
		go func() {
			s := Server{Listening: func([]net.Addr) { go cancel(errEnd) }}
			done <- s.Serve(ctx, "tcp://127.0.0.1:0")
		}()
		select {
		case err := <-done:
			if err != errEnd {
				t.Fatalf("Serve() = %v, want the context's cause", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("Serve does not return")
		}
	}
}
