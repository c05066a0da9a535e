//go:build linux

package netpark

import (
	"syscall"
	"time"
)

// maxSilence is how long a busy loop goes without a system call that the runtime
// hears of.
const maxSilence = 10 * time.Millisecond

// Monitor keeps the runtime's monitor awake for a loop that is busy. Such a loop
// makes no system call that the runtime hears of; and if it was parked before, the
// monitor may have gone to rest, which is to let others have the processor.
type Monitor struct {
	heard time.Duration // when the runtime last heard of the loop
}

// Heard notes that the runtime heard of the loop, at now on the clock of Wake.
func (m *Monitor) Heard(now time.Duration) { m.heard = now }

// Wake makes a system call that the runtime hears of, if there was none for long.
func (m *Monitor) Wake(now time.Duration) {
	if now-m.heard >= maxSilence {
		m.heard = now
		syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0)
	}
}
