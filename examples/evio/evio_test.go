//go:build linux || darwin || freebsd

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"bide/internal/fdtest"
)

const patience = 60 * time.Second

// client speaks the protocol.
type client struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

// started runs the program until the test ends, and returns a dialler.
func started(t *testing.T, args ...string) (dial func() *client) {
	t.Helper()
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // opens Go's own poller
		l.Close()
	}
	fdtest.Check(t)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), io.Discard, func(a net.Addr) { ready <- a })
	}()
	var addr net.Addr
	select {
	case addr = <-ready:
	case err := <-done:
		t.Fatalf("run() = %v before it listens", err)
	}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run() = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("run does not return")
		}
	})
	return func() *client {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		t.Cleanup(func() { c.Close() })
		return &client{t, c, bufio.NewReader(c)}
	}
}

// send writes commands, words separated by spaces, in one piece.
func (c *client) send(commands ...string) {
	c.t.Helper()
	var b strings.Builder
	for _, command := range commands {
		words := strings.Fields(command)
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	if _, err := io.WriteString(c.c, b.String()); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one: a simple string and an error with their mark, a number, a
// bulk string, "nil" or "empty".
func (c *client) answer() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil || !strings.HasSuffix(line, "\r\n") {
		c.t.Fatalf("ReadString() = %q, %v", line, err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch line {
	case "$-1":
		return "nil"
	case "*0":
		return "empty"
	}
	if line[0] != '$' {
		return line
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil {
		c.t.Fatalf("a bulk string of %q", line)
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.r, b); err != nil || string(b[n:]) != "\r\n" {
		c.t.Fatalf("a bulk string %q, %v", b, err)
	}
	return string(b[:n])
}

// expect reads answers.
func (c *client) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.answer(); got != w {
			c.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

func TestFastCommands(t *testing.T) {
	for _, flag := range []string{"-pause=false", "-pause"} {
		t.Run(flag, func(t *testing.T) {
			c := started(t, flag)()
			c.send("PING", "ping hello", "ECHO x", "GET key", "SET key value", "get key", "DEL key other", "GET key", "COMMAND", "CONFIG GET save")
			c.expect("+PONG", "hello", "x", "nil", "+OK", "value", ":1", "nil", "empty", "*2", "save", "")
			io.WriteString(c.c, "PING\r\n\r\nSET a b\nGET a\r\n") // typed by hand
			c.expect("+PONG", "+OK", "b")
		})
	}
}

// TestPipelining sends many commands at once, and in single bytes.
func TestPipelining(t *testing.T) {
	for _, flag := range []string{"-pause=false", "-pause"} {
		t.Run(flag, func(t *testing.T) {
			c := started(t, flag)()
			var commands, want []string
			for i := range 1000 {
				key := strconv.Itoa(i % 7)
				commands = append(commands, fmt.Sprintf("SET %s %d", key, i), "GET "+key)
				want = append(want, "+OK", strconv.Itoa(i))
				if i%100 == 0 {
					commands = append(commands, "SLEEP 0", "AWAIT abc")
					want = append(want, "+OK", abc)
				}
			}
			c.send(commands...)
			c.expect(want...)
			for i := range "*2\r\n$3\r\nGET\r\n$1\r\n3\r\n" {
				io.WriteString(c.c, "*2\r\n$3\r\nGET\r\n$1\r\n3\r\n"[i:i+1])
			}
			c.expect("997")
		})
	}
}

// abc is the digest of "abc".
var abc, _ = digest(context.Background(), []byte("abc"))

// TestSlowCommands: what one connection waits for holds up neither another one
// nor the order of its own answers.
func TestSlowCommands(t *testing.T) {
	dial := started(t)
	slow, other := dial(), dial()
	slow.send("SET a 1", "READ", "GET a")
	slow.expect("+OK")
	for range 10 {
		other.send("SET a 2", "GET a", "AWAIT abc", "SLEEP 1", "PING")
		other.expect("+OK", "2", abc, "+OK", "+PONG")
	}
	other.send("FEED ping")
	other.expect(":4")
	slow.expect("ping", "2")

	// Several wait for one pipe; each FEED is for one of them.
	const n = 50
	done := make(chan string, n)
	for range n {
		c := dial()
		c.send("PING", "READ")
		c.expect("+PONG")
		go func() { done <- c.answer() }()
	}
	for i := range n {
		other.send(fmt.Sprintf("FEED %d", i))
		other.expect(fmt.Sprintf(":%d", len(strconv.Itoa(i))))
		if got := <-done; got != strconv.Itoa(i) {
			t.Fatalf("READ = %q, want %d", got, i)
		}
	}
	start := time.Now()
	slow.send("SLEEP 20")
	slow.expect("+OK")
	if d := time.Since(start); d < 20*time.Millisecond {
		t.Errorf("SLEEP 20 took %v", d)
	}
}

// TestStopWhileSlow: commands under way do not hold up the end.
func TestStopWhileSlow(t *testing.T) {
	dial := started(t)
	for range 20 {
		for _, command := range []string{"SLEEP 100000", "READ"} {
			c := dial()
			c.send("PING", command)
			c.expect("+PONG")
		}
	}
}

func TestWrongCommands(t *testing.T) {
	c := started(t)()
	c.send("NOSUCH x", "GET", "SET a", "SLEEP", "SLEEP -1", "SLEEP x", "READ x", "AWAIT", "PING")
	for range 8 {
		if got := c.answer(); !strings.HasPrefix(got, "-ERR ") {
			t.Errorf("got %q, want an error", got)
		}
	}
	c.expect("+PONG")
}

// TestBadInput: what is not the protocol is answered with an error and the end.
func TestBadInput(t *testing.T) {
	dial := started(t)
	for name, in := range map[string]string{
		"count":         "*x\r\n",
		"large count":   "*100000\r\n",
		"endless count": "*" + strings.Repeat("1", 100),
		"no bulk":       "*1\r\n+PING\r\n",
		"bulk size":     "*1\r\n$x\r\n",
		"negative bulk": "*1\r\n$-1\r\n",
		"large bulk":    "*1\r\n$1000000000\r\n",
		"no end":        "*1\r\n$4\r\nPINGxx",
		"long line":     strings.Repeat("x", maxLine+1),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial()
			io.WriteString(c.c, "PING\r\n"+in)
			c.expect("+PONG")
			if got := c.answer(); !strings.HasPrefix(got, "-ERR Protocol error") {
				t.Errorf("got %q, want a protocol error", got)
			}
			if n, err := c.r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("Read() = %d, %v, want 0, EOF", n, err)
			}
		})
	}
	c := dial()
	c.send("PING")
	c.expect("+PONG")
}

func TestBadFlags(t *testing.T) {
	for _, args := range []string{"-no-such-flag", "argument", "-pause=sometimes", "-listen 127.0.0.1:port"} {
		err := run(t.Context(), strings.Fields(args), io.Discard, func(net.Addr) { t.Errorf("%s: it listens", args) })
		if err == nil {
			t.Errorf("run(%s) = nil, want an error", args)
		}
	}
}

// FuzzParse: whatever arrives, parsing neither fails to end nor takes more than
// there is, and takes the same when more follows.
func FuzzParse(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"))
	f.Add([]byte("PING\r\n"))
	f.Add([]byte("*-1\r\n*1\r\n$0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		args, n, err := parse(in)
		if n < 0 || n > len(in) || err != nil && n != 0 {
			t.Fatalf("parse(%q) = %d bytes, %v", in, n, err)
		}
		if n == 0 {
			return
		}
		more, m, err := parse(append(in[:n:n], "*1\r\n"...))
		if m != n || err != nil || len(more) != len(args) {
			t.Fatalf("parse(%q) = %d bytes, %d words; with more behind %d, %d, %v", in, n, len(args), m, len(more), err)
		}
	})
}
