package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
)

// TestBackendReset: a client is not told that a stream ended which was cut.
func TestBackendReset(t *testing.T) {
	needResets(t)
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-poller", poller, "-backend", serve(t, func(c *net.TCPConn) {
				io.WriteString(c, "half of it")
				io.ReadFull(c, make([]byte, 4)) // the client has it
				c.SetLinger(0)
			}))
			c := secure(t, r, version)
			if _, err := io.ReadFull(c, make([]byte, len("half of it"))); err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, "more")
			if _, err := io.Copy(io.Discard, c); !isCut(t, err) {
				t.Errorf("Copy() = %v, want a reset", err)
			}
			eventually(t, "closed", func() bool { return r.open.Load() == 0 })
		})
	})
}

// TestBackendResetHeardByAWrite: the system tells of a reset once. If it tells a
// write, the reads after it seem to come to the end of the stream.
func TestBackendResetHeardByAWrite(t *testing.T) {
	needResets(t)
	r := start(t, "-loops", "1", "-backend", serve(t, func(c *net.TCPConn) {
		io.WriteString(c, "half of it")
		io.ReadFull(c, make([]byte, 4))
		c.SetLinger(0)
	}))
	c := secure(t, r, tls.VersionTLS13)
	if _, err := io.ReadFull(c, make([]byte, len("half of it"))); err != nil {
		t.Fatal(err)
	}
	onlyConn(r, func(c *conn) { c.backend.ReadWatch().SetFunc(nil) }) // a write is to be first
	eventually(t, "a write has failed", func() (failed bool) {
		io.WriteString(c, "more")
		onlyConn(r, func(c *conn) { failed = c.up.ended })
		return failed
	})
	onlyConn(r, func(c *conn) { c.backend.ReadWatch().SetFunc(c.down.run) })
	if _, err := io.Copy(io.Discard, c); !isCut(t, err) {
		t.Errorf("Copy() = %v, want a reset", err)
	}
}

// onlyConn calls fn on the loop with the one connection there is, if there is one.
func onlyConn(r *running, fn func(*conn)) {
	done := make(chan struct{})
	l := r.loops[0]
	l.sched.Post(func() {
		if l.conns.front != nil {
			fn(l.conns.front)
		}
		close(done)
	})
	<-done
}

// TestClientCut: nor is the backend.
func TestClientCut(t *testing.T) {
	needResets(t)
	for name, cut := range map[string]func(c *net.TCPConn){
		"reset":           func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"bad record":      func(c *net.TCPConn) { c.Write(append([]byte{23, 3, 3, 0, 25}, make([]byte, 25)...)) },
		"end in a record": func(c *net.TCPConn) { c.Write([]byte{23, 3, 3, 0, 25, 1}); c.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, poller string) {
				eachVersion(t, func(t *testing.T, version uint16) {
					got := make(chan error, 1)
					r := start(t, "-poller", poller, "-backend", serve(t, func(c *net.TCPConn) {
						_, err := io.Copy(c, struct{ io.Reader }{c})
						got <- err
					}))
					c := secure(t, r, version)
					roundTrip(t, c, "half of it")
					cut(c.NetConn().(*net.TCPConn))
					if err := <-got; !isCut(t, err) {
						t.Errorf("the backend's Copy() = %v, want a reset", err)
					}
					eventually(t, "closed", func() bool { return r.open.Load() == 0 })
				})
			})
		})
	}
}

// TestResetAfterHalfClose: a side that has ended its stream may still be reset, and
// then the other is not kept waiting.
func TestResetAfterHalfClose(t *testing.T) {
	needResets(t)
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			t.Run("client", func(t *testing.T) {
				ended := make(chan struct{})
				r := start(t, "-poller", poller, "-backend", serve(t, func(c *net.TCPConn) {
					io.Copy(io.Discard, c)
					ended <- struct{}{}
					<-ended
				}))
				c := secure(t, r, version)
				c.CloseWrite()
				<-ended
				defer close(ended)
				c.NetConn().(*net.TCPConn).SetLinger(0)
				c.NetConn().Close()
				eventually(t, "closed", func() bool { return r.open.Load() == 0 })
			})
			t.Run("backend", func(t *testing.T) {
				ended := make(chan struct{})
				r := start(t, "-poller", poller, "-backend", serve(t, func(c *net.TCPConn) {
					c.CloseWrite()
					<-ended
					c.SetLinger(0)
				}))
				c := secure(t, r, version)
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Error(err)
				}
				close(ended)
				eventually(t, "closed", func() bool { return r.open.Load() == 0 })
			})
		})
	})
}

// TestResetWhileHeldBack: a client that the backend holds back, and so is not read
// from, may go away.
func TestResetWhileHeldBack(t *testing.T) {
	needResets(t)
	eachPoller(t, func(t *testing.T, poller string) {
		done := make(chan struct{})
		r := start(t, "-loops", "1", "-poller", poller, "-backend", serve(t, echoOr(func(*net.TCPConn) { <-done })))
		defer close(done)
		c := secure(t, r, tls.VersionTLS13)
		go io.Copy(c, zeros{})
		other := secure(t, r, tls.VersionTLS13)
		stuck(t, r, 1, other)
		c.NetConn().(*net.TCPConn).SetLinger(0)
		c.NetConn().Close()
		eventually(t, "closed", func() bool { return r.open.Load() == 1 })
	})
}

// TestEarlyAnswer: a backend answers, and closes while the client still sends. A
// client that is slow to read has the whole answer nevertheless, and its end.
func TestEarlyAnswer(t *testing.T) {
	answer := bytes.Repeat([]byte("answer. "), 12<<10)
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			carried := make(chan struct{})
			r := start(t, "-loops", "1", "-poller", poller, "-backend", serve(t, func(c *net.TCPConn) {
				c.Write(answer)
				c.CloseWrite()
				<-carried
			}))
			raw := plain(t, r)
			raw.SetReadBuffer(16 << 10)
			c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			var sending sync.WaitGroup
			sending.Go(func() { io.Copy(c, zeros{}) })
			eventually(t, "the answer is on its way", func() bool { return r.status().BytesDown == uint64(len(answer)) })
			close(carried)
			eventually(t, "the backend takes no more", func() bool {
				refused := true
				onlyConn(r, func(c *conn) { refused = c.up.ended })
				return refused
			})
			if b, err := io.ReadAll(c); err != nil || !bytes.Equal(b, answer) {
				t.Errorf("got %d bytes, %v, want all %d", len(b), err, len(answer))
			}
			c.Close()
			sending.Wait()
			eventually(t, "closed", func() bool { return r.open.Load() == 0 })
		})
	})
}
