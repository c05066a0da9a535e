package versus

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the CPU time that this process has used, on all threads: on a machine
// that others use too it says more than the time of day.
func Clock() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic("versus: clock_gettime: " + err.Error())
	}
	return time.Duration(t.Nano())
}
