//go:build unix

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExitStatus: the program says in one line what is wrong, and exits with 1.
func TestExitStatus(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	cert, _ := writePair(t, dir, "a")
	_, otherKey := writePair(t, dir, "b")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"wrong flag", []string{"-nonsense"}, "-nonsense"},
		{"unreadable certificate", []string{"-cert", dir, "-key", otherKey}, dir},
		{"no certificate", []string{"-cert", filepath.Join(dir, "none"), "-key", otherKey}, filepath.Join(dir, "none")},
		{"mismatched key", []string{"-cert", cert, "-key", otherKey}, otherKey},
		{"port in use", []string{"-listen", taken.Addr().String()}, taken.Addr().String()},
		{"address of another machine", []string{"-listen", "192.0.2.1:443"}, "192.0.2.1:443"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, stderr bytes.Buffer
			cmd := exec.Command(path, c.args...)
			cmd.Stdout, cmd.Stderr = &out, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("the program ended with %v, want exit status 1", err)
			}
			line := stderr.String()
			if !strings.HasPrefix(line, "tlsproxy: ") || strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Errorf("it said %q, want one line", line)
			}
			if !strings.Contains(line, c.want) {
				t.Errorf("it said %q, which does not name %q", line, c.want)
			}
			if out.Len() > 0 {
				t.Errorf("it printed %q besides", out.String())
			}
		})
	}
}

// TestTooManyLoops: what the system has not enough of is said to be for the loops.
func TestTooManyLoops(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	eachPoller(t, func(t *testing.T, poller string) {
		cmd := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0" "$@"`, path, "-loops", "100", "-poller", poller, "-listen", "127.0.0.1:0")
		said, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "-loops 100") || strings.Count(string(said), "\n") != 1 {
			t.Errorf("it ended with %v and said %q, want a line that names -loops 100", err, said)
		}
	})
}

// TestSigterm: the process ends with 0 when its connections finished, and with 1
// and a line that counts them when they did not.
func TestSigterm(t *testing.T) {
	for name, finish := range map[string]bool{"complete": true, "cut": false} {
		t.Run(name, func(t *testing.T) {
			timeout := "50ms"
			if finish {
				timeout = patience.String()
			}
			c := launch(t, "", "-backend", serve(t, echo), "-drain-timeout", timeout)
			conn := dialChild(t, c)
			roundTrip(t, conn, "before")
			if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if finish {
				roundTrip(t, conn, strings.Repeat("meanwhile ", 1000))
				conn.CloseWrite()
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
			}
			err := c.wait(t)
			switch said := c.stderr.String(); {
			case finish && (err != nil || said != ""):
				t.Errorf("it ended with %v and said %q, want neither", err, said)
			case !finish && (err == nil || !strings.Contains(said, "1 connections were cut")):
				t.Errorf("it ended with %v and said %q, want status 1 and the number cut", err, said)
			}
		})
	}
}

// TestSecondSignal: it does not wait for the drain, also if the program was begun with
// interrupts ignored, and the exit status tells which it was.
func TestSecondSignal(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(second.String(), func(t *testing.T) {
			c := launch(t, `trap "" INT`, "-backend", serve(t, echo), "-drain-timeout", "1h")
			roundTrip(t, dialChild(t, c), "before")
			c.cmd.Process.Signal(syscall.SIGTERM)
			eventually(t, "it drains", func() bool { return c.status(t).Draining })
			c.cmd.Process.Signal(second)
			var exit *exec.ExitError
			if err := c.wait(t); !errors.As(err, &exit) || exit.ExitCode() != 128+int(second) {
				t.Errorf("it ended with %v, want exit status %d", err, 128+int(second))
			}
		})
	}
}

// TestOutOfDescriptors: a process that may open no more backs off, keeps what it
// has, and goes on once there are descriptors again.
func TestOutOfDescriptors(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		const limit = 64
		c := launch(t, fmt.Sprint("ulimit -n ", limit), "-backend", serve(t, echo), "-poller", poller, "-loops", "2")
		first := dialChild(t, c)
		roundTrip(t, first, "first")
		c.status(t) // by a connection that lasts
		var crowd []net.Conn
		for range limit {
			conn, err := net.Dial("tcp", c.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			crowd = append(crowd, conn)
		}
		eventually(t, "accepting fails", func() bool { return c.status(t).AcceptErrors > 0 })
		roundTrip(t, first, "still there")
		before, begun := c.status(t).AcceptErrors, time.Now()
		time.Sleep(100 * time.Millisecond) // how often it tries meanwhile is the question
		s, spent := c.status(t), time.Since(begun)
		// Each of the loops waits 5 ms at least.
		if tries := s.AcceptErrors - before; tries > uint64(s.Loops)*uint64(spent/minBackoff+1) {
			t.Errorf("accepting was tried %d times in %v", tries, spent)
		}
		for _, conn := range crowd {
			conn.Close()
		}
		again := dialChild(t, c)
		roundTrip(t, again, "again")
		roundTrip(t, first, "first again")
		eventually(t, "the crowd is gone", func() bool { return c.status(t).Connections == 2 })
		if err := c.stop(t); err == nil {
			t.Error("the drain of two open connections succeeded")
		}
		if said := c.stderr.String(); strings.Contains(said, "panic") || strings.Count(said, "\n") != 1 {
			t.Errorf("it said %q, want a line about the drain", said)
		}
	})
}

// TestNoDescriptorForTheBackend: a client for which there is no second descriptor
// waits until there is one. At one of two limits next to each other that is what runs
// out, at the other it is the first.
func TestNoDescriptorForTheBackend(t *testing.T) {
	for _, limit := range []int{64, 65} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			c := launch(t, fmt.Sprint("ulimit -n ", limit), "-backend", serve(t, echo), "-loops", "1", "-handshake-timeout", "1h")
			var served []*tls.Conn
			for held := false; !held; {
				raw, err := net.Dial("tcp", c.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				raw.SetDeadline(time.Now().Add(patience))
				conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
				answered := make(chan error, 1)
				go func() { answered <- kilobyte(conn) }()
				eventually(t, "it is served or held", func() bool {
					select {
					case err = <-answered:
						if err != nil {
							t.Fatalf("after %d clients: %v", len(served), err)
						}
						served = append(served, conn)
						return true
					default:
						held = waitsForDescriptor(c.status(t))
						return held
					}
				})
				if held {
					served[0].Close()
					if err := <-answered; err != nil {
						t.Errorf("the client that waited: %v", err)
					}
				}
			}
			if s := c.status(t); s.BackendErrors != 0 {
				t.Errorf("%d backend errors, want none", s.BackendErrors)
			}
		})
	}
}

// waitsForDescriptor reports whether a client is not accepted, or has no backend, for
// want of a descriptor.
func waitsForDescriptor(s status) bool {
	for _, w := range s.Waits {
		if strings.HasPrefix(w.Job, "open ") && slices.Contains(w.Keys, "sleep") {
			return true
		}
	}
	return s.AcceptErrors > 0
}

// dialChild opens a TLS connection to c. While c is out of descriptors that may
// take a few attempts.
func dialChild(t *testing.T, c *child) (conn *tls.Conn) {
	t.Helper()
	eventually(t, "a handshake with the program", func() bool {
		raw, err := net.Dial("tcp", c.addr)
		if err != nil {
			return false
		}
		raw.SetDeadline(time.Now().Add(patience))
		conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		if err := conn.Handshake(); err != nil {
			raw.Close()
			return false
		}
		t.Cleanup(func() { raw.Close() })
		return true
	})
	return conn
}
