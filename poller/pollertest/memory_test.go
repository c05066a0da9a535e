package pollertest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bide/poller"
	"bide/waitctx"
)

var _ poller.Poller = (*Memory)(nil)

func add(id waitctx.ID, fd waitctx.FD) waitctx.Change {
	return waitctx.Change{Op: waitctx.OpAdd, ID: id, FD: fd, Interest: waitctx.Readable, Token: waitctx.Token(id) << 8}
}

func TestMemoryTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, start := NewMemory(), time.Now()
		n, err := m.Wait(make([]waitctx.Event, 1), time.Hour)
		if took := time.Since(start); n != 0 || err != nil || took != time.Hour {
			t.Errorf("Wait() = %d, %v after %v, want 0, nil after 1h", n, err, took)
		}
	})
}

func TestMemoryBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		dst := make([]waitctx.Event, 4)
		var n int
		var err error
		returned := 0
		wait := func() {
			go func() { n, err = m.Wait(dst, -1); returned++ }()
			synctest.Wait()
		}
		expect := func(what string, times, events int, want error) {
			t.Helper()
			synctest.Wait()
			if returned != times || n != events || !errors.Is(err, want) {
				t.Fatalf("after %s: %d returns, Wait() = %d, %v, want %d, %d, %v", what, returned, n, err, times, events, want)
			}
		}
		wait()
		m.Apply([]waitctx.Change{add(1, 10)})
		expect("Apply", 0, 0, nil)
		m.SetReady(10, waitctx.ReadyOut)
		expect("readiness of no interest", 0, 0, nil)
		if _, err := m.Wait(dst, 0); !errors.Is(err, waitctx.ErrBusy) {
			t.Errorf("second Wait() = %v, want ErrBusy", err)
		}
		m.SetReady(10, waitctx.ReadyHup)
		expect("SetReady", 1, 1, nil)
		if want := (waitctx.Event{Token: 1 << 8, Ready: waitctx.ReadyIn | waitctx.ReadyHup}); dst[0] != want {
			t.Errorf("event = %+v, want %+v", dst[0], want)
		}
		m.Suppress(10, 1)
		wait()
		expect("Suppress", 1, 1, nil)
		m.Wake()
		expect("Wake", 2, 0, nil)
		wait()
		m.Close()
		expect("Close", 3, 0, waitctx.ErrClosed)
	})
}

func TestMemoryLog(t *testing.T) {
	m := NewMemory()
	m.Apply([]waitctx.Change{add(1, 10)})
	late := add(2, 10)
	gone := waitctx.Change{Op: waitctx.OpDelete, ID: 1, FD: 10}
	err := m.Apply([]waitctx.Change{late, late, gone})
	if !errors.Is(err, waitctx.ErrExists) {
		t.Errorf("Apply() = %v, want ErrExists", err)
	}
	failed := late
	failed.Err = waitctx.ErrExists
	want := []waitctx.Change{add(1, 10), gone, late, failed}
	got := m.Log()
	if len(got) != len(want) {
		t.Fatalf("Log() = %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("Log()[%d] = %+v, want %+v", i, got[i], want[i])
		}
	}
}
