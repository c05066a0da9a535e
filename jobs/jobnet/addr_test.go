package jobnet_test

import (
	"net"
	"path/filepath"
	"testing"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// Addresses are those that package net gives of the same connection, at both
// ends and after Close.
func TestAddresses(t *testing.T) {
	s := newLoop(t, "")
	for _, c := range []struct{ name, network, listen, dial string }{
		{"IPv4", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 on any address", "tcp4", ":0", "127.0.0.1"},
		{"IPv4 on an IPv6 socket", "tcp", "[::]:0", "127.0.0.1"},
		{"IPv6", "tcp6", "[::1]:0", "::1"},
		{"IPv6 on any address", "tcp6", "[::]:0", "::1"},
		{"IPv4 by no address", "tcp4", "127.0.0.1:0", "0.0.0.0"},
		{"IPv6 by no address", "tcp6", "[::1]:0", "::"},
		{"Unix", "unix", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.network == "unix" {
				needUnixSockets(t)
				c.listen = filepath.Join(t.TempDir(), "socket")
			}
			l, err := net.Listen(c.network, c.listen)
			if err != nil {
				t.Skip("this machine has no such address: ", err)
			}
			defer l.Close()
			to := l.Addr().String()
			if c.network != "unix" {
				_, port, _ := net.SplitHostPort(to)
				to = net.JoinHostPort(c.dial, port)
			}
			ours, err := jobnet.Dial(s.Scheduler, l.Addr().Network(), to)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			ours.Close()
			wantAddresses(t, ours, theirs)

			al, err := jobnet.AdoptListener(s.Scheduler, l)
			if err != nil {
				t.Fatal(err)
			}
			defer al.Close()
			for range 2 { // the second finds what the first left
				theirs, err = net.Dial(c.network, to)
				if err != nil {
					t.Fatal(err)
				}
				defer theirs.Close()
				if err := s.do(t, func(j jobs.Job) (err error) { ours, err = al.AcceptIn(j); return err }); err != nil {
					t.Fatal(err)
				}
				ours.Close()
				wantAddresses(t, ours, theirs)
				a, ok := ours.RemoteAddr().(*net.TCPAddr)
				if ok && c.network == "tcp4" && len(a.IP) != net.IPv4len {
					t.Errorf("RemoteAddr() has an IP of %d bytes, want %d", len(a.IP), net.IPv4len)
				}
			}
		})
	}
}

// wantAddresses compares the two ends of a connection.
func wantAddresses(t *testing.T, ours, theirs net.Conn) {
	t.Helper()
	if a, b := ours.LocalAddr(), theirs.RemoteAddr(); a.Network() != b.Network() || a.String() != b.String() {
		t.Errorf("LocalAddr() = %v %q, the peer says %v %q", a.Network(), a, b.Network(), b)
	}
	if a, b := ours.RemoteAddr(), theirs.LocalAddr(); a.Network() != b.Network() || a.String() != b.String() {
		t.Errorf("RemoteAddr() = %v %q, the peer says %v %q", a.Network(), a, b.Network(), b)
	}
}
