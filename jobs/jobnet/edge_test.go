package jobnet_test

import (
	"errors"
	"io"
	"testing"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// These hold on every backend. On those with Caps.Edges a connection is told of
// each arrival once, and whoever leaves something must still hear of it.

// An end of the stream that comes with the last data is told with it.
func TestReaderHearsOfTheEndBehindTheLastData(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		for _, waits := range []bool{true, false} {
			ours, theirs := s.half(t)
			read := func(j jobs.Job) error {
				if got, err := io.ReadAll(ours.In(j)); string(got) != "last" || err != nil {
					t.Errorf("ReadAll() = %q, %v, want all and the end", got, err)
				}
				return nil
			}
			var ended chan error
			if waits {
				ended = s.begin(read)
				s.Stats() // it has had its turn
			}
			s.Post(func() { // so that one Wait tells of both
				theirs.Write([]byte("last"))
				theirs.CloseWrite()
			})
			if !waits {
				ended = s.begin(read)
			}
			if err := await(t, ended); err != nil {
				t.Error(err)
			}
		}
	})
}

// What comes while the job waits for something else is there when it reads.
func TestReaderHearsOfWhatCameMeanwhile(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		wakers := make(chan jobs.Waker, 1)
		ended := s.begin(func(j jobs.Job) error {
			conn, buf := ours.In(j), make([]byte, 8)
			for _, want := range []string{"a", "b", "c"} {
				if n, err := conn.Read(buf); string(buf[:n]) != want || err != nil {
					t.Errorf("Read() = %q, %v, want %s", buf[:n], err, want)
				}
				wakers <- j.Waker()
				if err := j.Park(); err != nil {
					return err
				}
			}
			return nil
		})
		s.Stats() // it waits
		theirs.Write([]byte("a"))
		for _, next := range []string{"b", "c"} {
			w := await(t, wakers)
			unawaited := s.Stats().Unawaited
			theirs.Write([]byte(next))
			for range 10 { // turns in which it is told, unless it is suppressed already
				if s.Stats().Unawaited != unawaited {
					break
				}
			}
			w.Wake()
		}
		await(t, wakers).Wake()
		if err := await(t, ended); err != nil {
			t.Error(err)
		}
	})
}

// A function of ReadWatch is started for what a job left.
func TestReadWatchHearsOfWhatAJobLeft(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		reading := s.begin(func(j jobs.Job) error {
			_, err := io.ReadFull(ours.In(j), make([]byte, 3))
			return err
		})
		s.Stats()
		theirs.Write([]byte("abcdef"))
		if err := await(t, reading); err != nil {
			t.Fatal(err)
		}
		got := make(chan byte, 3)
		s.Post(func() {
			ours.ReadWatch().SetFunc(func(jobs.Job) error { // reads one byte at a time
				var b [1]byte
				if _, err := ours.TryRead(b[:]); err == nil {
					got <- b[0]
				}
				return nil
			})
		})
		for _, want := range []byte("def") {
			if b := await(t, got); b != want {
				t.Errorf("read %q, want %q", b, want)
			}
		}
	})
}

// A RawConn's function may leave what is there.
func TestRawReadIsCalledWhileThereIsSomething(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		raw, err := ours.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		ended, calls := make(chan error, 1), 0
		go func() {
			ended <- raw.Read(func(uintptr) bool {
				calls++
				return calls == 4
			})
		}()
		theirs.Write([]byte("x"))
		if err := await(t, ended); err != nil {
			t.Error(err)
		}
	})
}

// A job that is woken to read may be stopped instead. Another one that waits by
// then, since it had read all there was before, hears of what came.
func TestSecondReaderHearsWhatTheFirstDoesNotRead(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.pair(t, "tcp")
		stopped := errors.New("stopped")
		var first jobs.Job
		reading := s.begin(func(j jobs.Job) error {
			first = j
			_, err := a.In(j).Read(make([]byte, 8))
			return err
		})
		s.Stats()
		err := s.do(t, func(j jobs.Job) error {
			if err := drainOne(a, b); err != nil {
				return err
			}
			if _, err := b.TryWrite([]byte("y")); err != nil {
				return err
			}
			first.Cancel(stopped)
			j.Sleep(0) // the first is told of both; this job is resumed before it
			buf := make([]byte, 8)
			n, err := a.In(j).Read(buf)
			if string(buf[:n]) != "y" {
				t.Errorf("Read() = %q, %v, want y", buf[:n], err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := await(t, reading); !errors.Is(err, stopped) {
			t.Errorf("the first reader: %v, want that it was stopped", err)
		}
	})
}

// A job that waits to read hears of what comes after another has read.
func TestFirstReaderHearsOfWhatTheSecondDoesNotRead(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		a, b := s.pair(t, "tcp")
		reading := s.begin(func(j jobs.Job) error {
			buf := make([]byte, 8)
			n, err := a.In(j).Read(buf)
			if string(buf[:n]) != "y" {
				t.Errorf("Read() = %q, %v, want y", buf[:n], err)
			}
			return err
		})
		s.Stats()
		err := s.do(t, func(j jobs.Job) error {
			if err := drainOne(a, b); err != nil {
				return err
			}
			_, err := b.TryWrite([]byte("y"))
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := await(t, reading); err != nil {
			t.Error(err)
		}
	})
}

// drainOne has one byte go from b to a, and be read before the loop looks.
func drainOne(a, b *jobnet.Conn) error {
	if _, err := b.TryWrite([]byte("x")); err != nil {
		return err
	}
	for {
		n, err := a.TryRead(make([]byte, 8))
		if err != error(jobnet.ErrWouldBlock) {
			if err == nil && n != 1 {
				err = errors.New("read more than was written")
			}
			return err
		}
	}
}
