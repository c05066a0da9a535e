package bench

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"bide/internal/fdtest"
	"bide/internal/versus"
	"bide/jobs"
	"bide/jobs/jobnet"
)

func BenchmarkMemoryIdleTLS(b *testing.B) {
	const first = 100 // pay for what is there once
	n := min(2000, fdtest.Limit(b)/2)
	side := func(name string, aim versus.Aim) versus.Side {
		return versus.Side{Name: name, Aim: aim, Value: func() float64 {
			p := start(b, "tls/"+name, quiet, 1)
			defer p.end()
			defer dialTLS(b, p.hello, first)()
			before := p.ask(0)
			defer dialTLS(b, p.hello, n)()
			return (p.ask(0) - before) / float64(n)
		}}
	}
	versus.Values(b, "B/conn", memoryRounds, side("bide", versus.Aim{}), side("goroutine", versus.AtMost(0.35)))
}

// TestTLS: each server speaks TLS 1.3 and sends back what it is sent.
func TestTLS(t *testing.T) {
	for _, name := range []string{"bide", "goroutine"} {
		t.Run(name, func(t *testing.T) {
			defer dialTLS(t, start(t, "tls/"+name, 0, 1).hello, 10)()
		})
	}
}

// dialTLS opens n connections, each of which carries a kilobyte both ways.
func dialTLS(t testing.TB, port, n int) (closeAll func()) {
	t.Helper()
	conns := make([]*tls.Conn, n)
	errs := make(chan error, n)
	limit := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				errs <- err
				return
			}
			conns[i] = c
			if v := c.ConnectionState().Version; v != tls.VersionTLS13 {
				errs <- errors.New(tls.VersionName(v))
			}
			if err := kilobyte(c, byte(i)); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
	return func() {
		for _, c := range conns {
			c.NetConn().Close()
		}
	}
}

const message = 1024

func kilobyte(c net.Conn, text byte) error {
	c.SetDeadline(time.Now().Add(time.Minute))
	want, got := bytes.Repeat([]byte{text}, message), make([]byte, message)
	if _, err := c.Write(want); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("what came back is not what was sent")
	}
	return nil
}

func init() {
	works["tls/bide"] = serving(tlsJobs)
	works["tls/goroutine"] = serving(tlsGoroutines)
}

// serving is a work that serves on the port it says, and answers with the
// process's resident memory.
func serving(serve func(*tls.Config) (port int)) work {
	return func(quiet int) (int, func(n int) float64) {
		return serve(selfSigned()), func(int) float64 { return atRest(quiet) }
	}
}

func selfSigned() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// tlsJobs has no job on a connection at rest: a Watch starts one when there is
// something to read.
func tlsJobs(config *tls.Config) (port int) {
	return serveJobs(func(j jobs.Job, c *jobnet.Conn) {
		j.Scheduler().GoLow(func(j jobs.Job) error {
			t, err := jobnet.ServerTLS(j, c, config)
			if err != nil {
				return c.Close()
			}
			rest := func(j jobs.Job) error { return echoTLS(j, t) }
			c.ReadWatch().SetFunc(rest)
			return rest(j) // crypto/tls may have read already
		})
	})
}

func echoTLS(j jobs.Job, t *jobnet.TLSConn) error {
	buf := make([]byte, message)
	for {
		n, err := t.TryRead(buf)
		if err == nil {
			err = t.WriteIn(j, buf[:n])
		}
		switch {
		case err == nil:
		case errors.Is(err, jobnet.ErrWouldBlock):
			return nil
		default:
			return t.Close()
		}
	}
}

// tlsGoroutines has a goroutine in Read for each connection.
func tlsGoroutines(config *tls.Config) (port int) {
	return serveGoroutines(func(c *net.TCPConn) { echoIn(tls.Server(c, config), make([]byte, message)) })
}
