package bench

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"bide/internal/versus"
	"bide/jobs"
	"bide/jobs/jobnet"

	"github.com/tidwall/evio"
)

// BenchmarkEcho charges the servers alone, each a process with one processor.
func BenchmarkEcho(b *testing.B) {
	for _, conns := range []int{1, 100} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			side := func(name string) versus.Side {
				p := start(b, "echo/"+name, 0, 1)
				dialed := dial(b, p.hello, conns)
				return versus.Side{Name: name, Timed: func(n int) time.Duration {
					before := p.ask(0)
					ping(b, dialed, n)
					return time.Duration(p.ask(0) - before)
				}}
			}
			versus.Steps(b, side("bide"), side("std"), side("evio"))
		})
	}
}

// TestEcho: each server sends back what it is sent.
func TestEcho(t *testing.T) {
	for _, name := range []string{"bide", "std", "evio"} {
		t.Run(name, func(t *testing.T) {
			ping(t, dial(t, start(t, "echo/"+name, 0, 1).hello, 10), 105)
		})
	}
}

func dial(t testing.TB, port, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Minute))
		conns[i] = c
	}
	return conns
}

// ping has n messages echoed: one on every connection at a time.
func ping(t testing.TB, conns []net.Conn, n int) {
	t.Helper()
	var out, in [64]byte
	fill := func(text int) {
		for i := range out {
			out[i] = byte(text)
		}
	}
	for ; n > 0; n -= len(conns) {
		now := conns[:min(n, len(conns))]
		for i, c := range now {
			fill(n + i)
			if _, err := c.Write(out[:]); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range now {
			fill(n + i)
			if _, err := io.ReadFull(c, in[:]); err != nil {
				t.Fatal(err)
			}
			if in != out {
				t.Fatalf("got %v back for %v", in, out)
			}
		}
	}
}

// bufferSize is what each connection of bide and std reads into.
const bufferSize = 4 << 10

func init() {
	works["echo/bide"] = echoing(echoJobs)
	works["echo/std"] = echoing(echoGoroutines)
	works["echo/evio"] = echoing(echoEvio)
}

// echoing is a work that serves on the port it says, and answers with the CPU
// time it has used.
func echoing(serve func() (port int)) work {
	return func(int) (int, func(int) float64) {
		return serve(), func(int) float64 { return float64(versus.Clock()) }
	}
}

// Evio sets neither TCP_NODELAY nor SO_KEEPALIVE, and has no way to. So here the
// others have neither.

func echoJobs() (port int) {
	return serveJobs(func(j jobs.Job, c *jobnet.Conn) {
		c.SetNoDelay(false)
		c.SetKeepAlive(false)
		j.Scheduler().Go(func(j jobs.Job) error {
			echoIn(c.In(j), make([]byte, bufferSize))
			return nil
		})
	})
}

func echoGoroutines() (port int) {
	return serveGoroutines(func(c *net.TCPConn) {
		c.SetNoDelay(false)
		c.SetKeepAlive(false)
		echoIn(c, make([]byte, bufferSize))
	})
}

func echoEvio() (port int) {
	serving := make(chan int)
	go func() {
		log.Fatal(evio.Serve(evio.Events{
			NumLoops: 1,
			Serving: func(s evio.Server) (action evio.Action) {
				serving <- s.Addrs[0].(*net.TCPAddr).Port
				return
			},
			Opened: func(evio.Conn) (out []byte, opts evio.Options, action evio.Action) {
				opts.ReuseInputBuffer = true
				return
			},
			Data: func(_ evio.Conn, in []byte) (out []byte, action evio.Action) { return in, evio.None },
		}, "tcp://127.0.0.1:0"))
	}()
	return <-serving
}

// echoIn sends back what it reads, until one of both fails.
func echoIn(c net.Conn, buf []byte) {
	defer c.Close()
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// serveJobs serves on a scheduler, whose job calls serve for each connection.
func serveJobs(serve func(jobs.Job, *jobnet.Conn)) (port int) {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	l, err := jobnet.Listen(s, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s.Go(func(j jobs.Job) error {
		for {
			c, err := l.AcceptIn(j)
			if err != nil {
				log.Fatal(err)
			}
			serve(j, c)
		}
	})
	go func() { log.Fatal(s.Run(context.Background())) }()
	return l.Addr().(*net.TCPAddr).Port
}

// serveGoroutines serves on package net, with a goroutine for each connection.
// The listener is for plain TCP: the calls of multipath TCP cost more.
func serveGoroutines(serve func(*net.TCPConn)) (port int) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go serve(c.(*net.TCPConn))
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}
