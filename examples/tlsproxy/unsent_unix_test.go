//go:build linux || darwin

package main

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// TestSlowReader: what a client takes that reads slowly is seen soon, so that
// -idle-timeout does not take it for idle.
func TestSlowReader(t *testing.T) {
	eachPoller(t, func(t *testing.T, poller string) {
		r := start(t, "-loops", "1", "-poller", poller, "-backend", serve(t, echoOr(func(c *net.TCPConn) { io.Copy(c, zeros{}) })))
		raw := plain(t, r)
		raw.SetReadBuffer(64 << 10)
		slow := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		io.WriteString(slow, "flood")
		other := secure(t, r, tls.VersionTLS13)
		stuck(t, r, 1, other)
		before := r.status().BytesDown
		if _, err := io.CopyN(io.Discard, slow, 512<<10); err != nil {
			t.Fatal(err)
		}
		eventually(t, "something more is carried", func() bool { return r.status().BytesDown > before })
	})
}
