package jobnet_test

import (
	"io"
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/poller/epoll"

	"golang.org/x/sys/unix"
)

// Data behind an urgent byte is read, although the read before it ended there.
func TestUrgentDataDoesNotStopAReader(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		raw, err := theirs.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		reading := s.begin(func(j jobs.Job) error {
			buf := make([]byte, 4)
			_, err := io.ReadFull(ours.In(j), buf)
			if string(buf) != "abcd" {
				t.Errorf("read %q, want abcd", buf)
			}
			return err
		})
		s.Stats()
		s.Post(func() { // so that one Wait tells of all
			raw.Control(func(fd uintptr) {
				unix.Write(int(fd), []byte("ab"))
				unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil)
				unix.Write(int(fd), []byte("cd"))
			})
		})
		if err := await(t, reading); err != nil {
			t.Error(err)
		}
	})
}

// Reading from a connection costs one epoll_ctl, however often it waits, and
// whether what comes finds it waiting or not.
func TestConnectionCostsOneEpollCtl(t *testing.T) {
	if chosen != "" && chosen != "epoll" {
		t.Skip("epoll only")
	}
	wakeNetpoller(t)
	fdtest.Check(t)
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s := loopOn(t, jobs.WithPoller(p))
	a, b := s.pair(t, "tcp")
	for range 2 { // the listener's delete is applied at the end of a turn
		s.Stats()
	}
	before := p.Stats().Ctl
	const echoes = 1000
	echo := s.begin(func(j jobs.Job) error {
		buf := make([]byte, 64)
		for i := range echoes {
			for range i % 3 { // it is elsewhere, and not there to be told
				j.Sleep(0)
			}
			n, err := a.In(j).Read(buf)
			if err != nil {
				return err
			}
			if err := a.WriteIn(j, buf[:n]); err != nil {
				return err
			}
		}
		return nil
	})
	err = s.do(t, func(j jobs.Job) error {
		buf := make([]byte, 64)
		for range echoes {
			if err := b.WriteIn(j, buf[:1]); err != nil {
				return err
			}
			if _, err := b.In(j).Read(buf[:1]); err != nil { // is full, and the next one asks
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := await(t, echo); err != nil {
		t.Error(err)
	}
	if n := p.Stats().Ctl - before; n != 0 {
		t.Errorf("%d echoes cost %d epoll_ctl, want 0 beside the two adds", echoes, n)
	}
}
