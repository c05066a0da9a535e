//go:build linux

package netpark

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// It asks first, then with each edge, and also where nothing is read back.
func TestPark(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	var k Parking
	asked := make(chan int, 10)
	n := 0
	if err := k.Open(fd, func(uintptr) bool { n++; asked <- n; return n == 3 }); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	go func() {
		for range 2 {
			<-asked
			unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}()
	late := time.AfterFunc(20*time.Second, func() { k.file.Close() })
	if err := k.Park(); err != nil || !late.Stop() {
		t.Errorf("Park() = %v, want nil within 20s", err)
	}
}

// What the netpoller does not watch is told by an error, not by a sleep.
func TestParkOfWhatIsNotWatched(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	var k Parking
	if err := k.Open(fd, func(uintptr) bool { return false }); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Park(); err == nil {
		t.Error("Park() of a regular file = nil, want an error")
	}
}

// An alarm is set again only if it would be too late, or has gone off.
func TestAlarm(t *testing.T) {
	var a Alarm
	if err := a.Open(); err != nil || a.FD < 0 {
		t.Skip("no timerfd", err)
	}
	defer a.Close()
	for _, tc := range []struct{ now, end, want time.Duration }{
		{0, time.Hour, time.Hour},
		{0, time.Minute, time.Minute},
		{0, time.Hour, time.Minute},
		{time.Minute, time.Hour, time.Hour - time.Minute},
	} {
		if !a.SetFor(tc.now, tc.end) {
			t.Fatal("SetFor() = false, want true")
		}
		var spec unix.ItimerSpec
		if err := unix.TimerfdGettime(a.FD, &spec); err != nil {
			t.Fatal(err)
		}
		if left := time.Duration(spec.Value.Nano()); left > tc.want || left < tc.want-30*time.Second {
			t.Errorf("SetFor(%v, %v): rings in %v, want %v", tc.now, tc.end, left, tc.want)
		}
	}
}
