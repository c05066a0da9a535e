//go:build unix

package jobnet_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// pieces returns buffers of many sizes, none among them, and what they say
// together.
func pieces() (v net.Buffers, whole []byte) {
	for i := range 200 {
		b := bytes.Repeat([]byte{byte(i)}, i*i)
		v = append(v, b)
		whole = append(whole, b...)
	}
	v = append(v, nil, bytes.Repeat([]byte("z"), 1<<20), []byte{})
	return v, append(whole, v[len(v)-2]...)
}

// WriteBuffers writes what the buffers say in order, more than the socket holds
// at once, and leaves none of them.
func TestWriteBuffers(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		for name, write := range map[string]func(*jobnet.Conn, *net.Buffers) (int64, error){
			"goroutine": func(c *jobnet.Conn, v *net.Buffers) (int64, error) { return c.WriteBuffers(v) },
			"job": func(c *jobnet.Conn, v *net.Buffers) (n int64, err error) {
				err = s.do(t, func(j jobs.Job) (err error) {
					n, err = c.In(j).(jobnet.BuffersWriter).WriteBuffers(v)
					return err
				})
				return n, err
			},
		} {
			ours, theirs := s.half(t)
			v, want := pieces()
			got := make(chan []byte, 1)
			go func() {
				b, _ := io.ReadAll(theirs)
				got <- b
			}()
			n, err := write(ours, &v)
			if n != int64(len(want)) || err != nil || len(v) != 0 {
				t.Errorf("%s: WriteBuffers() = %d, %v and leaves %d, want %d, nil and none", name, n, err, len(v), len(want))
			}
			ours.Close()
			if b := await(t, got); !bytes.Equal(b, want) {
				t.Errorf("%s: the peer got %d other bytes, want %d", name, len(b), len(want))
			}
			var oe *net.OpError
			v = net.Buffers{[]byte("x")}
			if n, err := write(ours, &v); n != 0 || !errors.As(err, &oe) || oe.Op != "writev" || !errors.Is(err, net.ErrClosed) || len(v) != 1 {
				t.Errorf("%s: WriteBuffers() = %d, %v after Close and leaves %d, want 0, net.ErrClosed and 1", name, n, err, len(v))
			}
		}
	})
}

// What was not written is still in the buffers.
func TestWriteBuffersToAPeerThatIsGone(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		theirs.SetLinger(0)
		theirs.Close()
		v := net.Buffers{make([]byte, 8<<20), make([]byte, 8<<20)}
		n, err := ours.WriteBuffers(&v)
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("WriteBuffers() = %d, %v, want EPIPE or ECONNRESET", n, err)
		}
		left := 0
		for _, b := range v {
			left += len(b)
		}
		if int(n)+left != 16<<20 {
			t.Errorf("%d bytes were written and %d are left, want %d together", n, left, 16<<20)
		}
	})
}

// File's duplicate lives on without the Conn.
func TestFile(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		ours, theirs := s.half(t)
		f, err := ours.File()
		if err != nil {
			t.Fatal(err)
		}
		ours.Close()
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("still here")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("still here"))
		if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "still here" {
			t.Errorf("the peer got %q, %v", got, err)
		}
		if _, err := ours.File(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("File() = %v after Close, want net.ErrClosed", err)
		}
	})
}

// A listener's duplicate goes on to listen, on another scheduler for one.
func TestListenerFile(t *testing.T) {
	eachBackend(t, func(t *testing.T, s loop) {
		l := s.listen(t, "tcp")
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		nl, err := net.FileListener(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		again, err := jobnet.AdoptListener(s.Scheduler, nl)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		accepted := s.begin(func(j jobs.Job) error {
			c, err := again.AcceptIn(j)
			if err == nil {
				c.Close()
			}
			return err
		})
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := await(t, accepted); err != nil {
			t.Error(err)
		}
	})
}
