//go:build linux

package epoll

import (
	"testing"
	"time"
	"unsafe"

	"bide/waitctx"
)

func TestMillisRoundsUp(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want int32
	}{
		{-1, -1},
		{0, 0},
		{1, 1},
		{time.Millisecond, 1},
		{time.Millisecond + 1, 2},
		{1<<63 - 1, int32(maxSleep / time.Millisecond)},
	} {
		if got := millis(c.d); got != c.want {
			t.Errorf("millis(%d) = %d, want %d", c.d, got, c.want)
		}
	}
}

// A kernel before 5.11, or a sandbox, has no epoll_pwait2(2), and the latter perhaps
// no timers either.
func TestTimeoutsWithoutPwait2(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.scratch.noPwait2 = true
	if !p.Caps().SubMilli {
		t.Error("Caps().SubMilli = false without epoll_pwait2, but with an alarm")
	}
	p.alarm.Close()
	p.alarm.FD = -1
	if p.Caps().SubMilli {
		t.Error("Caps().SubMilli = true without epoll_pwait2 and an alarm")
	}
	for _, d := range []time.Duration{time.Microsecond, 999 * time.Microsecond, 1500 * time.Microsecond} {
		start := time.Now()
		n, err := p.Wait(make([]waitctx.Event, 1), d)
		if took := time.Since(start); n != 0 || err != nil || took < d {
			t.Errorf("Wait(%v) = %d, %v after %v, want 0, nil and not early", d, n, err, took)
		}
	}
}

func TestSlotIsHalfACacheLine(t *testing.T) {
	if size := unsafe.Sizeof(slot{}); size != 32 {
		t.Errorf("a slot is %d bytes long, want 32", size)
	}
}
