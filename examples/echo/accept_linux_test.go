package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoDescriptors: accepting without a free descriptor is tried again, less
// and less often, and succeeds once there is one.
func TestNoDescriptors(t *testing.T) {
	for name, args := range modes {
		t.Run(name, func(t *testing.T) {
			log, out := io.Pipe()
			defer log.Close() // later lines are discarded
			lines := bufio.NewScanner(log)
			next := func() string {
				lines.Scan()
				return lines.Text()
			}
			started := make(chan string, 1)
			go func() { started <- next() }() // run prints a line before it is ready
			s, _ := start(t, out, append(args, "-loops", "1")...)
			<-started
			addr, err := net.ResolveTCPAddr("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			conn := client(t)
			free := lowerLimit(t)
			sa := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}}
			if err := unix.Connect(conn, sa); err != nil {
				t.Fatal(err)
			}
			for _, backoff := range []string{"5ms", "10ms", "20ms"} {
				if line := next(); !strings.Contains(line, "too many open files") || !strings.HasSuffix(line, " "+backoff) {
					t.Errorf("got line %q, want too many open files, trying again in %s", line, backoff)
				}
			}
			go io.Copy(io.Discard, log)
			free()
			f := os.NewFile(uintptr(conn), "client")
			defer f.Close()
			c, err := net.FileConn(f)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			roundTrip(t, c, "at last")
		})
	}
}

func client(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// lowerLimit leaves the process without a free descriptor, until free. A limit of
// 0 does so whichever numbers are in use, and whatever else is being closed.
func lowerLimit(t *testing.T) (free func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	free = func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }
	t.Cleanup(free)
	return free
}
