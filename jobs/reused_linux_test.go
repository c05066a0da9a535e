package jobs_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/poller/iouring"
	"bide/waitctx"
)

// A number that was closed without Forget comes to mean a directory, which io_uring
// refuses to watch, and then a pipe: the Wait for that registers anew.
func TestNumberThatWasRefusedMeanwhile(t *testing.T) {
	p, err := iouring.New()
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	fd, other := newPipe()
	defer unix.Close(fd)
	unix.Close(other) // hung up
	dir := fdtest.Open(t, "/")
	next, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(next)
	on(t, jobs.WithPoller(p), func(t *testing.T, s *jobs.Scheduler) {
		var got []error
		s.Go(func(j jobs.Job) error {
			for _, from := range []int{fd, int(dir.FD()), next} {
				if from != fd {
					if err := unix.Dup3(from, fd, unix.O_CLOEXEC); err != nil {
						return err
					}
				}
				got = append(got, j.Wait(waitctx.FD(fd), waitctx.Silent))
			}
			return nil
		})
		turns(t, s, idle(s))
		if len(got) != 3 || got[0] != nil || !errors.Is(got[1], waitctx.ErrNotPollable) || got[2] != nil {
			t.Errorf("Wait() = %v, want nil, ErrNotPollable and nil", got)
		}
	})
}
