package jobnet_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
)

// The peer of an aborted connection sees a reset, whatever it was sent before.
func TestAbort(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		if fdtest.HidesReset(t) {
			t.Skip("the system tells of a reset as of the end of the stream")
		}
		ours, theirs := s.half(t)
		reading := s.begin(func(j jobs.Job) error { _, err := ours.In(j).Read(make([]byte, 1)); return err })
		s.Stats() // it waits now
		if err := ours.Abort(); err != nil {
			t.Errorf("Abort() = %v", err)
		}
		if err := await(t, reading); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() = %v of the aborted connection, want net.ErrClosed", err)
		}
		if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, errReset) {
			t.Errorf("the peer's Read() = %v, want ECONNRESET", err)
		}
		if err := ours.Abort(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Abort() = %v the second time, want net.ErrClosed", err)
		}
	})
}

// Abort sends no close_notify, and drops what is queued: also what Close still sends.
func TestTLSAbort(t *testing.T) {
	eachTLS(t, func(t *testing.T, s loop, change func(*tls.Config)) {
		hidden := fdtest.HidesReset(t)
		for _, end := range []struct {
			name        string
			full, close bool
		}{{name: "at rest"}, {name: "with a full queue", full: true}, {name: "after Close", full: true, close: true}} {
			ours, theirs, _ := s.secure(t, change)
			writing := s.begin(func(j jobs.Job) error {
				if !end.full {
					return nil
				}
				_, err := ours.In(j).Write(bytes.Repeat([]byte("x"), 16<<20))
				return err
			})
			if end.full {
				s.stuck(t, writing)
			}
			var second error
			if err := s.do(t, func(jobs.Job) error {
				if end.close {
					ours.Close()
				}
				err := ours.Abort()
				second = ours.Abort()
				if end.close && runtime.GOOS == "windows" && errors.Is(err, net.ErrClosed) {
					err = nil // Windows has taken all of the queue, and Close was the end
				}
				return err
			}); err != nil || !errors.Is(second, net.ErrClosed) {
				t.Errorf("%s: Abort() = %v and then %v, want nil and net.ErrClosed", end.name, err, second)
			}
			if err := await(t, writing); end.full != errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: Write() = %v", end.name, err)
			}
			n, err := io.Copy(io.Discard, theirs)
			if err == nil && !hidden || n == 16<<20 {
				t.Errorf("%s: the client read %d bytes and %v, want an error", end.name, n, err)
			}
		}
	})
}

// Once its scheduler has closed the descriptor Abort leaves the number alone: it may be
// another's.
func TestTLSAbortAfterSchedulerClose(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	l := loop{s}
	ours, _, _ := l.secure(t, version(tls.VersionTLS13))
	writing := l.begin(func(j jobs.Job) error {
		_, err := ours.In(j).Write(bytes.Repeat([]byte("x"), 16<<20))
		return err
	})
	l.stuck(t, writing)
	if err := l.do(t, func(jobs.Job) error { return ours.Close() }); err != nil {
		t.Errorf("Close() = %v", err)
	}
	await(t, writing)
	if err := errors.Join(s.Close(), await(t, ended)); err != nil && !errors.Is(err, jobs.ErrClosed) {
		t.Error(err)
	}
	if err := ours.Abort(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Abort() = %v, want net.ErrClosed", err)
	}
}
