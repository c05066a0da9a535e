//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program builds the proxy once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tlsproxy")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "tlsproxy")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

var built string // the directory of program

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// child is the proxy as a process of its own.
type child struct {
	cmd    *exec.Cmd
	addr   string
	admin  string
	stderr bytes.Buffer // complete once it has ended
	ended  chan error
}

// launch starts the program and waits until it listens. The shell does before first,
// unless that is empty.
func launch(t *testing.T, before string, args ...string) *child {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin.Close()
	c := &child{admin: admin.Addr().String(), ended: make(chan error, 1)}
	args = append([]string{"-listen", "127.0.0.1:0", "-admin", c.admin, "-drain-timeout", "0"}, args...)
	c.cmd = exec.Command(path, args...)
	if before != "" {
		c.cmd = exec.Command("/bin/sh", append([]string{"-c", before + ` && exec "$0" "$@"`, path}, args...)...)
	}
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.ended
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	m := regexp.MustCompile(`^tlsproxy: (\S+) to `).FindStringSubmatch(first)
	if m == nil {
		t.Fatalf("the first line is %q, %v", first, err)
	}
	c.addr = m[1]
	return c
}

// wait waits for the end and returns its error, nil for an exit status of 0.
func (c *child) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-c.ended:
		c.ended <- nil // for the cleanup
		return err
	case <-time.After(patience):
		t.Fatal("the program did not end")
		return nil
	}
}

// stop ends the program by SIGTERM.
func (c *child) stop(t *testing.T) error {
	t.Helper()
	c.cmd.Process.Signal(syscall.SIGTERM)
	return c.wait(t)
}

// status reads the admin page. The connection is kept, so that the next one can
// be had from a program that is out of descriptors.
func (c *child) status(t *testing.T) (s status) {
	t.Helper()
	resp, err := http.Get("http://" + c.admin + "/status.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// stacks ends the process by SIGQUIT and returns the states of its goroutines,
// as in "goroutine 7 [select]".
func (c *child) stacks(t *testing.T) (states []string) {
	t.Helper()
	c.cmd.Process.Signal(syscall.SIGQUIT)
	c.wait(t)
	for _, m := range regexp.MustCompile(`(?m)^goroutine \d+.*\[(.*)\]:$`).FindAllStringSubmatch(c.stderr.String(), -1) {
		states = append(states, strings.TrimSpace(m[1]))
	}
	if len(states) == 0 {
		t.Fatalf("no goroutine in the dump:\n%s", c.stderr.String())
	}
	return states
}
