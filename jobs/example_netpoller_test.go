//go:build linux

package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"bide/jobs"

	"golang.org/x/sys/unix"
)

// netpolled runs s on the calling goroutine until ctx is done. While there is
// nothing to do the goroutine is parked in Go's own netpoller, like one that
// reads from a connection: it holds no thread.
func netpolled(ctx context.Context, s *jobs.Scheduler) error {
	fd, ok := s.FD()
	if !ok {
		return errors.ErrUnsupported
	}
	// The netpoller gets a duplicate, since an os.File closes what it has, and FD
	// is the scheduler's.
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.SetNonblock(dup, true) // or os.NewFile leaves the netpoller alone
	f := os.NewFile(uintptr(dup), "scheduler")
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.Post(func() {}) }) // which is a turn
	defer stop()
	for {
		var failed error
		err := conn.Read(func(uintptr) bool { // false: park, and call again
			more := true
			for more && failed == nil { // the netpoller tells of edges only
				more, failed = s.RunOnce(0)
			}
			next, _ := s.Next() // the zero time is no deadline
			f.SetReadDeadline(next)
			return failed != nil || ctx.Err() != nil
		})
		switch {
		case failed != nil:
			return failed
		case errors.Is(err, os.ErrDeadlineExceeded): // a timer is due
			f.SetReadDeadline(time.Time{})
		case err != nil:
			return err
		default:
			return context.Cause(ctx)
		}
	}
}

// Go's netpoller as the host's loop. The host closes the scheduler itself.
func ExampleScheduler_FD() {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	s.Go(func(j jobs.Job) error {
		defer cancel()
		begin := time.Now()
		err := j.Sleep(2 * time.Millisecond)
		fmt.Println("slept long enough:", time.Since(begin) >= 2*time.Millisecond)
		return err
	})
	if err := netpolled(ctx, s); err != context.Canceled {
		log.Fatal(err)
	}
	// Output: slept long enough: true
}
