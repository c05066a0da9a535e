//go:build !linux

package versus

import "time"

var start = time.Now()

// Clock is the time that has passed. On Linux it is the CPU time of the process.
func Clock() time.Duration { return time.Since(start) }
