package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// everyPoller are the backends, each of which is available or the reason why not
// is said.
var everyPoller = []string{"epoll", "iouring", "kqueue", "iocp", "pollfd"}

// TestBadInput: each mistake ends in one line that names it.
func TestBadInput(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = net.Listen("tcp", taken.Addr().String())
	var inUse syscall.Errno
	if !errors.As(err, &inUse) {
		t.Fatalf("Listen() = %v on a port that is taken, want an error of the system", err)
	}
	dir := tempDir(t)
	cert, key := writePair(t, dir, "a")
	_, otherKey := writePair(t, dir, "b")
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, oldSecret := filepath.Join(dir, "secret.key"), filepath.Join(dir, "old.key")
	for file, block := range map[string]*pem.Block{
		secret:    {Type: "ENCRYPTED PRIVATE KEY"},
		oldSecret: {Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		want []string // in the error
	}{
		{"wrong flag", []string{"-nonsense"}, []string{"-nonsense", "-help"}},
		{"wrong value", []string{"-loops", "many"}, []string{"-loops", "many"}},
		{"no loops", []string{"-loops", "0"}, []string{"-loops 0"}},
		{"negative", []string{"-idle-timeout", "-1s"}, []string{"-idle-timeout -1s"}},
		{"argument", []string{"extra"}, []string{`"extra"`}},
		{"no such poller", []string{"-poller", "kpoll"}, append([]string{`-poller "kpoll"`}, everyPoller...)},
		{"address without port", []string{"-listen", "localhost"}, []string{"-listen", "localhost", "missing port"}},
		{"backend without port", []string{"-backend", "localhost"}, []string{"-backend", "localhost", "missing port"}},
		{"backend port too high", []string{"-backend", "127.0.0.1:99999"}, []string{"-backend 127.0.0.1:99999", "port"}},
		{"backend port unknown", []string{"-backend", ":nosuch"}, []string{"-backend :nosuch", "port"}},
		{"backend port empty", []string{"-backend", "127.0.0.1:"}, []string{"-backend 127.0.0.1:", "port"}},
		{"backend port zero", []string{"-backend", "127.0.0.1:0"}, []string{"-backend 127.0.0.1:0", "port"}},
		{"backend is a colon", []string{"-backend", ":"}, []string{"-backend :", "port"}},
		{"backend port negative", []string{"-backend", "127.0.0.1:-1"}, []string{"-backend 127.0.0.1:-1", "port"}},
		{"backend is a socket", []string{"-backend", "unix:/tmp/x.sock"}, []string{"-backend unix:/tmp/x.sock", "not supported"}},
		{"backend is a path", []string{"-backend", "/tmp/x.sock"}, []string{"-backend /tmp/x.sock", "not supported"}},
		{"admin port too high", []string{"-admin", "127.0.0.1:99999"}, []string{"-admin 127.0.0.1:99999", "port"}},
		{"too many signers", []string{"-signers", "9223372036854775807"}, []string{"-signers 9223372036854775807", "10000"}},
		{"encrypted key", []string{"-cert", cert, "-key", secret}, []string{"-key " + secret, "not supported"}},
		{"key encrypted as of old", []string{"-cert", cert, "-key", oldSecret}, []string{"-key " + oldSecret, "not supported"}},
		{"port in use", []string{"-listen", taken.Addr().String()}, []string{taken.Addr().String(), inUse.Error()}},
		{"admin port in use", []string{"-listen", "127.0.0.1:0", "-admin", taken.Addr().String()}, []string{"-admin", taken.Addr().String(), inUse.Error()}},
		{"cert alone", []string{"-cert", cert}, []string{"-cert", "-key"}},
		{"no cert file", []string{"-cert", filepath.Join(dir, "none"), "-key", key}, []string{"-cert", filepath.Join(dir, "none")}},
		{"no key file", []string{"-cert", cert, "-key", filepath.Join(dir, "none")}, []string{"-key", filepath.Join(dir, "none")}},
		{"cert is junk", []string{"-cert", junk, "-key", key}, []string{junk}},
		{"mismatched key", []string{"-cert", cert, "-key", otherKey}, []string{otherKey, "does not match"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := run(t.Context(), c.args, io.Discard, func(p *proxy) { t.Error("it started") })
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
		})
	}
}

// writePair writes a self-signed certificate and its key as PEM files.
func writePair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	cert, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		file = filepath.Join(dir, name+file)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write(".crt", "CERTIFICATE", cert.Certificate[0]), write(".key", "PRIVATE KEY", der)
}

// TestCertificateFiles serves with a certificate from files, and the client
// verifies it.
func TestCertificateFiles(t *testing.T) {
	certFile, keyFile := writePair(t, tempDir(t), "server")
	r := start(t, "-backend", serve(t, echo), "-cert", certFile, "-key", keyFile)
	chain, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	c := tls.Client(plain(t, r), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	roundTrip(t, c, "verified")
}

// TestDrain: connections may finish, new ones are refused, and the status says
// that all went well.
func TestDrain(t *testing.T) {
	r := start(t, "-backend", serve(t, echo), "-drain-timeout", patience.String())
	c := secure(t, r, tls.VersionTLS13)
	roundTrip(t, c, "before")
	r.cancel()
	eventually(t, "the port closed", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	roundTrip(t, c, strings.Repeat("meanwhile ", 10_000))
	c.CloseWrite()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(t); err != nil {
		t.Fatal("a complete drain answers ", err)
	}
}

// TestDrainCut: what does not finish is cut, counted, and an error.
func TestDrainCut(t *testing.T) {
	r := start(t, "-backend", serve(t, echo), "-drain-timeout", "20ms")
	a, b := secure(t, r, tls.VersionTLS13), secure(t, r, tls.VersionTLS12)
	roundTrip(t, a, "a")
	roundTrip(t, b, "b")
	err := r.stop(t)
	if err == nil || !strings.Contains(err.Error(), "2 connections were cut") {
		t.Fatalf("got %v", err)
	}
	for _, c := range []net.Conn{a, b} {
		if _, err := io.Copy(io.Discard, c); !isCut(t, err) {
			t.Errorf("Copy() = %v from a connection that was cut, want a reset", err)
		}
	}
}

// adminAddr is an address for -admin.
func adminAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// dialAdmin connects to an admin page and sends text.
func dialAdmin(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAdminHalfRequest: one that does not end its request is let go.
func TestAdminHalfRequest(t *testing.T) {
	defer func(d time.Duration) { adminTimeout = d }(adminTimeout)
	adminTimeout = 50 * time.Millisecond
	addr := adminAddr(t)
	r := start(t, "-backend", serve(t, echo), "-admin", addr)
	for _, text := range []string{"", "GET /status"} {
		if _, err := io.Copy(io.Discard, dialAdmin(t, addr, text)); err != nil && !isReset(err) {
			t.Errorf("after %q the connection is not closed: %v", text, err)
		}
	}
	r.stop(t)
}

// TestAdminConnections: one more than may be is let go, and the others are not.
func TestAdminConnections(t *testing.T) {
	addr := adminAddr(t)
	start(t, "-backend", serve(t, echo), "-admin", addr)
	first := dialAdmin(t, addr, "GET /status HTTP/1.1\r\n")
	for range maxAdmin - 1 {
		dialAdmin(t, addr, "")
	}
	if _, err := io.Copy(io.Discard, dialAdmin(t, addr, "")); err != nil && !isReset(err) {
		t.Error("one too many is not closed: ", err)
	}
	io.WriteString(first, "Host: x\r\n\r\n")
	if line, err := bufio.NewReader(first).ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("got %q, %v from the first, want 200 OK", line, err)
	}
	first.Close()
	eventually(t, "another may ask", func() bool {
		resp, err := http.Get("http://" + addr + "/status")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
}

// TestStatus reads the admin pages.
func TestStatus(t *testing.T) {
	addr := adminAddr(t)
	admin := "http://" + addr
	r := start(t, "-backend", serve(t, echo), "-admin", addr)
	roundTrip(t, secure(t, r, tls.VersionTLS13), "hello")
	stuck := plain(t, r) // its handshake waits
	var s map[string]any
	eventually(t, "two connections, one with a job that waits", func() bool {
		resp, err := http.Get(admin + "/status.json")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			t.Fatal(err)
		}
		waits, _ := s["waits"].([]any)
		if s["connections"] != 2.0 || len(waits) != 1 {
			return false
		}
		keys, _ := waits[0].(map[string]any)["keys"].([]any)
		return len(keys) > 0 // it has run, and is paused
	})
	for _, field := range []string{"jobs_live", "goroutines", "accept_errors", "handshake_errors"} {
		if _, ok := s[field].(float64); !ok {
			t.Errorf("no %q in %v", field, s)
		}
	}
	wait := s["waits"].([]any)[0].(map[string]any)
	if name, _ := wait["job"].(string); !strings.Contains(name, stuck.LocalAddr().String()) {
		t.Errorf("the job's name %q does not say whose it is", name)
	}
	if _, ok := wait["age_ms"].(float64); !ok {
		t.Errorf("no age in %v", wait)
	}
	resp, err := http.Get(admin + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(text), "connections          2\n") {
		t.Errorf("the text is %q", text)
	}
}
