//go:build linux || darwin || freebsd

package main

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// redis runs a program of redis-tools against the server, and returns what it
// says.
func redis(t *testing.T, addr net.Addr, name string, args ...string) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr.String())
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, append([]string{"-h", "127.0.0.1", "-p", port}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

func TestRedisCLI(t *testing.T) {
	if _, err := exec.LookPath("redis-cli"); err != nil {
		t.Skip("redis-cli is not installed")
	}
	c := started(t)()
	addr := c.c.RemoteAddr()
	for _, x := range []struct{ command, want string }{
		{"PING", "PONG\n"},
		{"SET greeting hello", "OK\n"},
		{"GET greeting", "hello\n"},
		{"GET nothing", "\n"},
		{"SLEEP 5", "OK\n"},
		{"FEED text", "4\n"},
		{"READ", "text\n"},
		{"AWAIT abc", abc + "\n"},
		{"DEL greeting nothing", "1\n"},
		{"NOSUCH", "ERR unknown command \"NOSUCH\"\n\n"},
	} {
		if got := redis(t, addr, "redis-cli", strings.Fields(x.command)...); got != x.want {
			t.Errorf("redis-cli %s = %q, want %q", x.command, got, x.want)
		}
	}
}

// TestRedisBenchmark: 50 connections, 16 commands at a time on each.
func TestRedisBenchmark(t *testing.T) {
	if _, err := exec.LookPath("redis-benchmark"); err != nil {
		t.Skip("redis-benchmark is not installed")
	}
	for _, flag := range []string{"-pause=false", "-pause"} {
		t.Run(flag, func(t *testing.T) {
			c := started(t, flag)()
			out := redis(t, c.c.RemoteAddr(), "redis-benchmark", "-P", "16", "-t", "set,get", "-n", "200000", "--csv")
			if !strings.Contains(out, `"SET"`) || !strings.Contains(out, `"GET"`) || strings.Contains(out, "rror") || strings.Contains(out, "WARNING") {
				t.Errorf("redis-benchmark says %q", out)
			}
			t.Log(out)
		})
	}
}
