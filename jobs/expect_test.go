package jobs_test

import (
	"testing"
	"time"
	"unsafe"

	"bide/internal/prefetch"
	"bide/jobs"
	"bide/poller/pollertest"
	"bide/waitctx"
)

// What is prefetched for a paused job is its own stack, near its last frame, and
// its own goroutine.
func TestLoopKnowsWhereAJobPaused(t *testing.T) {
	const fd = 7
	for name, pause := range map[string]func(jobs.Job) error{
		"Wait":  func(j jobs.Job) error { return j.Wait(fd, waitctx.Readable) },
		"Sleep": func(j jobs.Job) error { return j.Sleep(time.Second) },
		"Park":  func(j jobs.Job) error { return j.Park() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *jobs.Scheduler, m *pollertest.Memory) {
				var frame, goroutine uintptr
				j := s.Go(func(j jobs.Job) error {
					if err := pause(j); err != nil { // the stack has its final size after it
						return err
					}
					var local byte
					frame, goroutine = uintptr(unsafe.Pointer(&local)), prefetch.G()
					return pause(j)
				})
				w := j.Waker()
				m.SetReady(fd, waitctx.Ready(waitctx.Readable))
				for turn := 0; frame == 0; turn++ {
					w.Wake()
					if _, err := s.RunOnce(time.Minute); err != nil || turn == 100 {
						t.Fatalf("turn %d: RunOnce() = %v, the job has not gone on", turn, err)
					}
				}
				sp, g := jobs.PausedAt(j)
				if g != goroutine {
					t.Errorf("the goroutine is taken for %#x, want %#x", g, goroutine)
				}
				if below := frame - sp; below == 0 || below > 1024 {
					t.Errorf("the job paused %d bytes below its frame, want 1 to 1024", int(below))
				}
				w.Wake()
				until(t, s)
			})
		})
	}
}
