package jobnet_test

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"bide/jobs"
	"bide/jobs/jobnet"

	"golang.org/x/sys/unix"
)

// Whoever has a duplicate of the descriptor can make that block, and with it the
// connection's: the loop goes on all the same.
func TestDescriptorThatBlocks(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		for _, network := range []string{"tcp", "unix"} {
			ours, theirs := s.pair(t, network)
			f, err := ours.File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
				t.Fatal(err)
			}
			reading := s.begin(func(j jobs.Job) error {
				_, err := ours.In(j).Read(make([]byte, 8))
				return err
			})
			if err := s.do(t, func(j jobs.Job) error {
				_, err := ours.TryRead(make([]byte, 8))
				return err
			}); err != error(jobnet.ErrWouldBlock) {
				t.Errorf("%s: TryRead() = %v with nothing there, want ErrWouldBlock", network, err)
			}
			b := bytes.Repeat([]byte("x"), 16<<20)
			if err := s.do(t, func(jobs.Job) error {
				_, err := ours.TryWrite(b)
				return err
			}); err != error(jobnet.ErrWouldBlock) {
				t.Errorf("%s: TryWrite() = %v of more than there is room for, want ErrWouldBlock", network, err)
			}
			writing := s.begin(func(j jobs.Job) error {
				_, err := ours.In(j).(jobnet.BuffersWriter).WriteBuffers(&net.Buffers{b[:10], b[:10]})
				return err
			})
			s.Stats()
			if err := s.do(t, func(j jobs.Job) error { return theirs.WriteIn(j, []byte("hello")) }); err != nil {
				t.Error(err)
			}
			if err := await(t, reading); err != nil {
				t.Errorf("%s: Read() = %v", network, err)
			}
			theirs.Close()
			if err := await(t, writing); err == nil {
				t.Errorf("%s: WriteBuffers() = nil of a socket that was full", network)
			}
		}
	})
}

// A zone is kept also where the port is a name.
func TestDialWithAZone(t *testing.T) {
	s := newLoop(t, "")
	c, err := jobnet.Dial(s.Scheduler, "tcp", "[fe80::1%lo]:http")
	if err == nil {
		c.Close()
	}
	var oe *net.OpError
	if !errors.As(err, &oe) || oe.Addr == nil || oe.Addr.String() != "[fe80::1%lo]:80" {
		t.Errorf("Dial() = %v, want an error of [fe80::1%%lo]:80", err)
	}
}
