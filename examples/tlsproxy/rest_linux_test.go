package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	restConns  = 2000
	restAfter  = 5 * time.Second
	maxPerConn = 10 << 10 // bytes
	maxAtRest  = 100      // goroutines
)

// TestAtRest measures 2,000 connections at rest: five seconds after they shook
// hands all at once, each having carried 1 KB both ways.
func TestAtRest(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if need := uint64(2*restConns + 200); limit.Max < need {
		t.Skipf("%d descriptors are needed, the limit is %d", need, limit.Max)
	}
	// The only flag that is not at its default: a slow machine may need longer for
	// 2,000 handshakes than a client is allowed.
	c := launch(t, "", "-backend", serveAll(t), "-handshake-timeout", "10m")
	before := resident(t, c.cmd.Process.Pid)
	openAtOnce(t, c.addr, restConns)
	time.Sleep(restAfter) // what is measured is this long after the burst
	after := resident(t, c.cmd.Process.Pid)
	s := c.status(t)
	stacks := c.stacks(t)
	coroutines := 0
	for _, state := range stacks {
		if strings.Contains(state, "coroutine") {
			coroutines++
		}
	}
	perConn := (after - before) / restConns
	t.Logf("%d connections: %d bytes resident each (%d KiB before, %d after), %d goroutines (%d coroutines), %d jobs",
		s.Connections, perConn, before>>10, after>>10, s.Goroutines, coroutines, s.JobsLive)
	if s.Connections != restConns {
		t.Errorf("%d connections, want %d", s.Connections, restConns)
	}
	if perConn > maxPerConn {
		t.Errorf("%d bytes per connection, want at most %d", perConn, maxPerConn)
	}
	if s.Goroutines > maxAtRest || len(stacks) > maxAtRest {
		t.Errorf("%d goroutines, %d in the dump, want at most %d", s.Goroutines, len(stacks), maxAtRest)
	}
	if s.JobsLive != 0 || coroutines != 0 {
		t.Errorf("%d jobs, %d coroutines, want none", s.JobsLive, coroutines)
	}
}

// openAtOnce opens n TLS 1.3 connections, has them shake hands at the same time
// and carry 1 KB both ways.
func openAtOnce(t *testing.T, addr string, n int) []*tls.Conn {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	conns := make([]*tls.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(4 * time.Minute))
		conns[i] = tls.Client(c, config)
	}
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			if err := kilobyte(c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

// serveAll echoes on connections that stay open for as long as the test runs.
func serveAll(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 1024))
			}()
		}
	}()
	return l.Addr().String()
}

// resident is the VmRSS of a process in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kb int
		if n, _ := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	t.Fatal("no VmRSS in the status of the process")
	return 0
}
