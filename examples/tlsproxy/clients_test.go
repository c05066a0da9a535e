package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// bulk is how much the tests of bulk send each way: so many MiB, or what
// TLSPROXY_BULK says.
func bulk(t *testing.T, mib int64) int64 {
	t.Helper()
	if s := os.Getenv("TLSPROXY_BULK"); s != "" {
		var err error
		if mib, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal("TLSPROXY_BULK: ", err)
		}
	}
	return mib << 20
}

// tool runs an external client to its end and returns its output. It ends the
// client when the test does.
func tool(t *testing.T, stdin io.Reader, stdout io.Writer, name string, args ...string) (stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if bulk(t, 0) == 0 {
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, said.String())
	}
	return said.String()
}

// TestCurl fetches a page, and has a body sent back while it is sent.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	size := bulk(t, 4)
	body := filepath.Join(t.TempDir(), "body")
	f, err := os.Create(body)
	if err != nil {
		t.Fatal(err)
	}
	want, err := send(f, 1, size)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-poller", poller)
			url := "https://" + r.addr + "/page"
			number, name := "1.3", "TLSv1.3"
			if version == tls.VersionTLS12 {
				number, name = "1.2", "TLSv1.2"
			}
			args := []string{"-skv", "--tlsv" + number, "--tls-max", number, url}
			var out bytes.Buffer
			said := tool(t, nil, &out, curl, args...)
			if !strings.Contains(out.String(), "GET /page") || !strings.Contains(said, name) {
				t.Errorf("curl got %q, and said %s", out.String(), said)
			}
			h := sha256.New()
			begun := time.Now()
			tool(t, nil, h, curl, "-sk", "--tlsv"+number, "--tls-max", number, "-T", body, url)
			if sum(h.Sum(nil)) != want {
				t.Error("curl got other bytes back than it sent")
			}
			t.Logf("%d MiB there and back in %v", size>>20, time.Since(begun).Round(time.Millisecond))
		})
	})
}

// TestOpenSSL has s_client send and receive at the same time.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	size := bulk(t, 4)
	backendGot := make(chan sum, 1)
	addr := serve(t, func(c *net.TCPConn) {
		c.SetDeadline(time.Time{})
		var sending sync.WaitGroup
		sending.Go(func() { send(c, 1, size) })
		s, _, _ := receive(io.LimitReader(c, size)) // s_client does not half-close
		sending.Wait()
		backendGot <- s
	})
	eachPoller(t, func(t *testing.T, poller string) {
		eachVersion(t, func(t *testing.T, version uint16) {
			r := start(t, "-backend", addr, "-poller", poller)
			flag := "-tls1_3"
			if version == tls.VersionTLS12 {
				flag = "-tls1_2"
			}
			h := sha256.New()
			begun := time.Now()
			tool(t, io.LimitReader(rand.NewChaCha8([32]byte{2}), size), h, openssl, "s_client", "-quiet", flag, "-connect", r.addr)
			wantDown, _ := send(io.Discard, 1, size)
			wantUp, _ := send(io.Discard, 2, size)
			if sum(h.Sum(nil)) != wantDown {
				t.Error("s_client got other bytes than the backend sent")
			}
			if <-backendGot != wantUp {
				t.Error("the backend got other bytes than s_client sent")
			}
			t.Logf("%d MiB each way in %v", size>>20, time.Since(begun).Round(time.Millisecond))
			eventually(t, "the connection closed", func() bool { return r.open.Load() == 0 })
		})
	})
}
