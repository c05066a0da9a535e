package jobs_test

import (
	"testing"
	"time"

	"bide/jobs"
	"bide/poller/epoll"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// onEpoll returns a scheduler and its poller, to count epoll_ctl.
func onEpoll(t testing.TB) (*jobs.Scheduler, *epoll.Poller) {
	t.Helper()
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	s, err := jobs.New(jobs.WithPoller(p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		p.Close()
	})
	return s, p
}

// TestStableDescriptorCostsOneEpollCtl pauses a job on one eventfd a million
// times, signalled before each pause and drained after it.
func TestStableDescriptorCostsOneEpollCtl(t *testing.T) {
	pauses := 1_000_000
	if raceEnabled || testing.Short() {
		pauses = 20_000 // the detector makes each about 50 times dearer, an emulator too; the count below is as strict
	}
	s, p := onEpoll(t)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	one := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	buf := make([]byte, 8)
	done, drained := 0, 0
	s.Go(func(j jobs.Job) error {
		for done < pauses {
			unix.Write(fd, one)
			if err := j.Wait(waitctx.FD(fd), waitctx.Readable); err != nil {
				return err
			}
			if n, _ := unix.Read(fd, buf); n == 8 {
				drained++
			}
			done++
		}
		return j.Park() // the wait stays until the job's end
	})
	for done < pauses {
		if _, err := s.RunOnce(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Stats().Ctl; n != 1 || drained != pauses {
		t.Errorf("%d pauses, %d drained: epoll_ctl called %d times, want once", done, drained, n)
	}
}

// TestNobodyWaitingCostsNoCPU leaves an undrained eventfd and a hung-up pipe
// registered, with their job waiting for something else, for a second.
func TestNobodyWaitingCostsNoCPU(t *testing.T) {
	s, _ := onEpoll(t)
	fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var hung [2]int
	if err := unix.Pipe2(hung[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(hung[0])
	unix.Close(hung[1])
	s.Go(func(j jobs.Job) error {
		for _, fd := range []int{fd, hung[0]} {
			if err := j.Wait(waitctx.FD(fd), waitctx.Readable); err != nil {
				return err
			}
		}
		return j.Park()
	})
	for range 5 {
		if _, err := s.RunOnce(0); err != nil {
			t.Fatal(err)
		}
	}
	turns, cpu := 0, cpuTime(t)
	for end := time.Now().Add(time.Second); time.Now().Before(end); turns++ {
		if _, err := s.RunOnce(time.Until(end)); err != nil {
			t.Fatal(err)
		}
	}
	cpu = cpuTime(t) - cpu
	t.Logf("%d turns, %v CPU in a second", turns, cpu)
	if turns > 2 {
		t.Errorf("the loop turned %d times in a second with nothing to do", turns)
	}
}

// cpuTime is what this thread's process has used. A figure to log: other tests
// and the collector are in it, so what is asserted is the number of turns.
func cpuTime(t *testing.T) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// TestForgetEndsEveryWait: whatever a wait was for, it is deleted.
func TestForgetEndsEveryWait(t *testing.T) {
	s, p := onEpoll(t)
	fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK) // readable, and writable
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	forgotten := 0
	s.Go(func(j jobs.Job) error {
		for i := waitctx.Readable; i < waitctx.Edge<<1; i++ {
			if i&(waitctx.Readable|waitctx.Writable) == 0 {
				continue // never ready
			}
			before := p.Stats().Ctl
			if err := j.Wait(waitctx.FD(fd), i); err != nil {
				t.Errorf("Wait(%#x) = %v", i, err)
			}
			j.Forget(waitctx.FD(fd))
			j.Sleep(0) // the delete is applied at the end of the turn
			if n := p.Stats().Ctl - before; n != 2 {
				t.Errorf("a wait for %#x and Forget cost %d epoll_ctl, want an add and a delete", i, n)
			}
			forgotten++
		}
		return nil
	})
	for s.Live() > 0 || forgotten == 0 {
		if _, err := s.RunOnce(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if forgotten != 24 {
		t.Errorf("%d waits were forgotten, want 24", forgotten)
	}
}
