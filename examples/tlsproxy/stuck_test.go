package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuck waits until n jobs wait for a socket to take more and the proxy carries
// nothing but what other carries, look after look: the peers do not read, so
// that will not change by itself.
func stuck(t *testing.T, r *running, n int, other net.Conn) {
	t.Helper()
	looks := 0
	eventually(t, "the others are held back", func() bool {
		before := r.status()
		roundTrip(t, other, "echo")
		time.Sleep(10 * time.Millisecond)
		after := r.status()
		looks++
		if writing(before) != n || writing(after) != n ||
			after.BytesDown-before.BytesDown != 4 || after.BytesUp-before.BytesUp != 4 {
			looks = 0
		}
		return looks == 10
	})
}

// writing is how many jobs wait to write.
func writing(s status) (n int) {
	for _, w := range s.Waits {
		for _, key := range w.Keys {
			if strings.Contains(key, "(write)") {
				n++
			}
		}
	}
	return n
}

// echoOr echoes to those whose first byte is e, and leaves the others to handle.
func echoOr(handle func(c *net.TCPConn)) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			return
		}
		if first[0] == 'e' {
			c.Write(first)
			echo(c)
			return
		}
		handle(c)
	}
}

// TestBadRecord: a client that does not read, and then sends a record that
// cannot be decrypted, ends alone.
func TestBadRecord(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		addr := serve(t, echoOr(func(c *net.TCPConn) {
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}))
		r := start(t, "-backend", addr, "-loops", "1", "-poller", poller)
		raw := plain(t, r)
		bad := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		io.WriteString(bad, "flood")
		other := secure(t, r, tls.VersionTLS13)
		stuck(t, r, 1, other)
		if n := r.status().BytesDown; n < 64<<10 {
			t.Errorf("%d bytes were carried before the client was stuck", n)
		}
		raw.Write([]byte{23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
		eventually(t, "the bad connection ended", func() bool { return r.open.Load() == 1 })
		roundTrip(t, other, "echo again")
	})
}

// TestKeyUpdatesWhileOutputIsStuck: a client asks for KeyUpdates and takes no
// answers. It is not read from any further, others go on, and once it reads it
// gets all that is due to it.
func TestKeyUpdatesWhileOutputIsStuck(t *testing.T) {
	const flood, updates = 16 << 20, 5_000
	eachPoller(t, func(t *testing.T, poller string) {
		got := make(chan int, 1)
		addr := serve(t, echoOr(func(c *net.TCPConn) {
			counted := make(chan int, 1)
			go func() {
				b, _ := io.ReadAll(c)
				counted <- bytes.Count(b, []byte("u"))
			}()
			c.Write(bytes.Repeat([]byte("f"), flood))
			got <- <-counted
		}))
		r := start(t, "-backend", addr, "-loops", "1", "-poller", poller)
		f := forge(t, r)
		if _, err := f.raw.Write(f.record(typeApplication, []byte("f"))); err != nil {
			t.Fatal(err)
		}
		other := secure(t, r, tls.VersionTLS13)
		stuck(t, r, 1, other)

		asked := make(chan error, 1)
		go func() {
			for range updates {
				if _, err := f.raw.Write(append(f.askUpdate(), f.record(typeApplication, []byte("u"))...)); err != nil {
					asked <- err
					return
				}
			}
			asked <- f.raw.CloseWrite()
		}()
		before := r.status()
		eventually(t, "updates are read", func() bool { return r.status().BytesUp > before.BytesUp })
		stuck(t, r, 1, other)
		// What other has carried since was carried both ways.
		if s := r.status(); s.BytesUp-before.BytesUp-(s.BytesDown-before.BytesDown) >= updates {
			t.Errorf("all updates were read from a client that takes no answers: %v", s)
		}

		for n := 0; n < flood; {
			b, err := f.read()
			if err != nil {
				t.Fatalf("after %d bytes and %d updates: %v", n, f.updates, err)
			}
			if n += len(b); bytes.Count(b, []byte("f")) != len(b) {
				t.Fatalf("other bytes than were sent, before %d", n)
			}
		}
		if err := <-asked; err != nil {
			t.Fatal(err)
		}
		if n := <-got; n != updates {
			t.Errorf("the backend got %d bytes, want %d", n, updates)
		}
		if f.updates == 0 {
			t.Error("no update was answered")
		}
		roundTrip(t, other, "echo again")
		eventually(t, "the client's connection ended", func() bool { return r.open.Load() == 1 })
	})
}

// TestWriteBeforeRead has both sides send 64 MiB and read nothing until neither
// gets anything through. The proxy must hold them back without stopping others
// and without buffering it all; then each gets what the other sent.
func TestWriteBeforeRead(t *testing.T) {
	const size = 64 << 20
	eachPoller(t, func(t *testing.T, poller string) {
		read := make(chan struct{})
		backendGot := make(chan sum, 1)
		addr := serve(t, echoOr(func(c *net.TCPConn) {
			var sending sync.WaitGroup
			defer sending.Wait() // before the connection is closed
			sending.Go(func() {
				send(c, 1, size)
				c.CloseWrite()
			})
			<-read
			s, _, _ := receive(c)
			backendGot <- s
		}))
		r := start(t, "-backend", addr, "-loops", "1", "-poller", poller)
		c := secure(t, r, tls.VersionTLS13)
		c.Write([]byte("w"))
		clientSent := make(chan sum, 1)
		go func() {
			s, err := send(c, 2, size)
			if err != nil {
				t.Error(err)
			}
			c.CloseWrite()
			clientSent <- s
		}()
		other := secure(t, r, tls.VersionTLS13)
		stuck(t, r, 2, other)
		if s := r.status(); s.BytesUp >= size || s.BytesDown >= size {
			t.Errorf("%d and %d bytes are carried to peers that do not read", s.BytesUp, s.BytesDown)
		}
		for range 20 {
			c := secure(t, r, tls.VersionTLS13)
			roundTrip(t, c, "echo")
			c.Close()
		}
		close(read)
		got, n, err := receive(c)
		if err != nil || n != size {
			t.Fatalf("read %d bytes, %v, want %d", n, err, size)
		}
		if want, _ := send(io.Discard, 1, size); got != want {
			t.Error("the client got other bytes than the backend sent")
		}
		if want := <-clientSent; <-backendGot != want {
			t.Error("the backend got other bytes than the client sent")
		}
		roundTrip(t, other, "echo again")
		other.Close()
		eventually(t, "all closed", func() bool { return r.open.Load() == 0 })
	})
}
