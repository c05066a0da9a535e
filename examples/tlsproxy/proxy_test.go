package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestGet fetches a page from the proxy's own backend, as curl would.
func TestGet(t *testing.T) {
	for _, signers := range []string{"0", "2"} {
		for name, version := range map[string]uint16{"TLS1.2": tls.VersionTLS12, "TLS1.3": tls.VersionTLS13} {
			t.Run(name+"/signers="+signers, func(t *testing.T) {
				r := start(t, "-signers", signers)
				transport := &http.Transport{TLSClientConfig: &tls.Config{
					InsecureSkipVerify: true, MinVersion: version, MaxVersion: version,
				}}
				defer transport.CloseIdleConnections()
				client := http.Client{Transport: transport, Timeout: patience}
				for range 3 {
					resp, err := client.Get("https://" + r.addr + "/page")
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || !strings.Contains(string(body), "GET /page") {
						t.Fatalf("got %q, %v", body, err)
					}
				}
			})
		}
	}
}

// TestBulk sends 64 MiB each way at the same time, or what TLSPROXY_BULK says in
// MiB, and each side gets what the other sent.
func TestBulk(t *testing.T) {
	size := bulk(t, 64)
	backendGot := make(chan sum, 1)
	backendSent := make(chan sum, 1)
	addr := serve(t, func(c *net.TCPConn) {
		c.SetDeadline(time.Time{}) // the full size may take its time
		var sending sync.WaitGroup
		defer sending.Wait() // before the connection is closed
		sending.Go(func() {
			s, _ := send(c, 1, size)
			c.CloseWrite()
			backendSent <- s
		})
		s, _, _ := receive(c)
		backendGot <- s
	})
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-backend", addr, "-poller", poller)
			c := secure(t, r, version)
			c.SetDeadline(time.Time{})
			begun := time.Now()
			clientSent := make(chan sum, 1)
			go func() {
				s, err := send(c, 2, size)
				if err != nil {
					t.Error(err)
				}
				c.CloseWrite()
				clientSent <- s
			}()
			got, n, err := receive(c)
			if err != nil || n != size {
				t.Fatalf("read %d bytes, %v", n, err)
			}
			if want := <-backendSent; got != want {
				t.Error("the client got other bytes than the backend sent")
			}
			if want := <-clientSent; <-backendGot != want {
				t.Error("the backend got other bytes than the client sent")
			}
			t.Logf("%d MiB each way in %v", size>>20, time.Since(begun).Round(time.Millisecond))
			eventually(t, "the connection closed", func() bool { return r.open.Load() == 0 })
		})
	})
}

// TestHalfClose: a client that has said all it has to say still gets its answer.
func TestHalfClose(t *testing.T) {
	addr := serve(t, func(c *net.TCPConn) {
		b, err := io.ReadAll(c)
		if err == nil {
			fmt.Fprintf(c, "%d bytes", len(b))
		}
	})
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-backend", addr, "-poller", poller)
			c := secure(t, r, version)
			c.Write(make([]byte, 100_000))
			c.CloseWrite()
			if b, err := io.ReadAll(c); err != nil || string(b) != "100000 bytes" {
				t.Fatalf("got %q, %v", b, err)
			}
			eventually(t, "closed", func() bool { return r.open.Load() == 0 })
		})
	})
}

// TestBackendHalfClose: the other way round.
func TestBackendHalfClose(t *testing.T) {
	got := make(chan string, 1)
	addr := serve(t, func(c *net.TCPConn) {
		io.WriteString(c, "bye")
		c.CloseWrite()
		b, _ := io.ReadAll(c)
		got <- string(b)
	})
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-backend", addr, "-poller", poller)
			c := secure(t, r, version)
			if b, err := io.ReadAll(c); err != nil || string(b) != "bye" {
				t.Fatalf("got %q, %v", b, err)
			}
			io.WriteString(c, "still here")
			c.CloseWrite()
			if s := <-got; s != "still here" {
				t.Fatalf("the backend got %q", s)
			}
			eventually(t, "closed", func() bool { return r.open.Load() == 0 })
		})
	})
}

// TestByteByByte sends one byte per record.
func TestByteByByte(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-backend", serve(t, echo), "-poller", poller)
			c := secure(t, r, version)
			text := strings.Repeat("0123456789", 100)
			go func() {
				for i := range len(text) {
					io.WriteString(c, text[i:i+1])
				}
			}()
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
				t.Fatalf("got %q, %v", got, err)
			}
		})
	})
}

// Test200 has 200 connections at a time, then at rest.
func Test200(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := start(t, "-backend", serve(t, echo), "-poller", poller, "-admin", "127.0.0.1:0")
		conns := make([]*tls.Conn, 200)
		var wg sync.WaitGroup
		for i := range conns {
			conns[i] = tls.Client(plain(t, r), &tls.Config{InsecureSkipVerify: true})
			wg.Go(func() {
				if _, err := io.WriteString(conns[i], strings.Repeat("x", 1024)); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(conns[i], make([]byte, 1024)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		eventually(t, "200 connections without a job", func() bool {
			s := r.status()
			return s.Connections == 200 && s.JobsLive == 0
		})
		for i, c := range conns {
			roundTrip(t, c, fmt.Sprint("once more ", i))
			c.Close()
		}
		eventually(t, "all closed", func() bool { return r.open.Load() == 0 })
	})
}

// TestMaxConns: one more than may be waits for one that goes.
func TestMaxConns(t *testing.T) {
	r := start(t, "-backend", serve(t, echo), "-max-conns", "2")
	a, b := secure(t, r, tls.VersionTLS13), secure(t, r, tls.VersionTLS13)
	roundTrip(t, a, "a")
	roundTrip(t, b, "b")
	c := tls.Client(plain(t, r), &tls.Config{InsecureSkipVerify: true})
	in := make(chan error, 1)
	go func() { in <- c.Handshake() }()
	roundTrip(t, a, "a again")
	select {
	case <-in:
		t.Fatal("a third connection got in")
	default:
	}
	b.Close()
	if err := <-in; err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c, "c")
	if n := r.open.Load(); n != 2 {
		t.Fatalf("%d connections open, want 2", n)
	}
}

// TestMaxConnsOfManyLoops: loops tell each other of connections that were closed,
// at whatever moment. It takes the race detector, and luck, to see one that is
// told while it begins to listen.
func TestMaxConnsOfManyLoops(t *testing.T) {
	r := start(t, "-loops", "2", "-backend", serve(t, echo), "-max-conns", "1")
	done := make(chan struct{})
	var telling, dialling sync.WaitGroup
	telling.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				r.loops[0].slotFree()
				r.loops[1].slotFree()
				runtime.Gosched()
			}
		}
	})
	for range 4 {
		dialling.Go(func() {
			for range 50 {
				c, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Error(err)
					return
				}
				c.Close()
			}
		})
	}
	dialling.Wait()
	close(done)
	telling.Wait()
}
