//go:build linux

package iouring

import (
	"os"
	"time"

	"bide/internal/netpark"

	"golang.org/x/sys/unix"
)

var started = time.Now()

// parking has a Wait sleep on Go's netpoller. What that watches is an epoll set
// of the ring and of the alarm, which nobody fetches from: each of their edges
// is one of the set's.
//
// A timeout in the ring would save the set and the alarm. But like a poll it
// completes on the thread that asked for it, and when that is stuck no timeout
// would pass any more.
type parking struct {
	netpark.Parking
	alarm   netpark.Alarm
	monitor netpark.Monitor
	off     bool          // the netpoller does not take the set
	end     time.Duration // of the sleep, since started; negative if it has none
	asked   int           // how often, in this park
}

// open makes the set.
func (k *parking) open(r *ring) error {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := k.alarm.Open(); err != nil {
		unix.Close(set)
		return err
	}
	for _, fd := range []int{r.fd, k.alarm.FD} {
		row := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff}
		if err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &row); err != nil {
			break
		}
	}
	if err == nil {
		err = k.Open(set, func(uintptr) bool { return k.ask(r) })
	} else {
		unix.Close(set)
	}
	if err != nil {
		k.alarm.Close()
	}
	return err
}

// ask reports whether the sleep is over, and sets the alarm if it is not.
func (k *parking) ask(r *ring) bool {
	k.asked++
	if r.completed() {
		return true
	}
	if k.end < 0 {
		return false
	}
	now := time.Since(started)
	k.off = !k.alarm.SetFor(now, k.end)
	return k.off || now >= k.end
}

// park sleeps until there is a completion, or until rest has passed unless that
// is negative. It may return before.
func (k *parking) park(rest time.Duration) {
	k.asked, k.end = 0, -1
	if rest >= 0 {
		k.end = time.Since(started) + min(rest, maxSleep)
	}
	k.off = k.Park() != nil || k.off
	if k.asked > 1 {
		k.monitor.Heard(time.Since(started))
	}
}

// close closes the set.
func (k *parking) close() {
	if k.Opened() {
		k.Close()
		k.alarm.Close()
	}
}
