//go:build linux

package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

func newLoop(t *testing.T) *loop {
	t.Helper()
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := jobs.NewPool(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		unix.Close(epfd)
	})
	return &loop{epfd: epfd, pool: pool, parties: make(map[waitctx.Token]*party)}
}

// Each job is told in turn, and in the end nothing is registered.
func TestJobsRunInTheLoop(t *testing.T) {
	l := newLoop(t)
	var order []string
	for _, name := range []string{"a", "b"} {
		if err := l.start(func(j jobs.Job) error {
			fn := countdown(name, 2)
			err := fn(j)
			order = append(order, name)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.run(); err != nil {
		t.Fatalf("run() = %v, want nil", err)
	}
	if strings.Join(order, "") != "ab" || l.pool.Live() != 0 || len(l.parties) != 0 {
		t.Errorf("ended in order %q with %d jobs and %d waits left, want ab, 0, 0", order, l.pool.Live(), len(l.parties))
	}
}

// A job whose descriptor is refused goes on, and finds the reason.
func TestRefusedDescriptor(t *testing.T) {
	l := newLoop(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = l.start(func(j jobs.Job) error {
		j.WaitCtx().Set("file", waitctx.Wait{FD: waitctx.FD(file.Fd())})
		if err := j.Pause(); err != nil {
			return err
		}
		return j.WaitCtx().Err("file")
	})
	if !errors.Is(err, unix.EPERM) || l.pool.Live() != 0 || len(l.parties) != 0 {
		t.Errorf("start() = %v with %d jobs and %d waits left, want EPERM, 0, 0", err, l.pool.Live(), len(l.parties))
	}
}
