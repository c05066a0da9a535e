package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// dir is where TestMain has built everything.
var dir string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if dir, err = os.MkdirTemp("", "bide-peers-test"); err == nil {
		defer os.RemoveAll(dir)
		err = build(dir, servers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestEcho: each server under measurement sends back what it was sent, over
// many connections at a time, in pings and in more than a socket holds.
func TestEcho(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			i, err := s.start(0)
			if err != nil {
				t.Fatal(err)
			}
			defer i.stop()
			var wg sync.WaitGroup
			for k := range 20 {
				wg.Go(func() {
					if err := converse(i.port, byte(k)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// converse sends pings, and then a megabyte while it reads.
func converse(port int, seed byte) error {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	source := rand.NewChaCha8([32]byte{seed})
	sizes := []int{1, 64, 64, 64, 4096, 4097, 1 << 20}
	for _, size := range sizes {
		sent, got := make([]byte, size), make([]byte, size)
		source.Read(sent)
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write(sent)
			wrote <- err
		}()
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
		if err := <-wrote; err != nil {
			return err
		}
		if !bytes.Equal(got, sent) {
			return fmt.Errorf("%d bytes came back changed", size)
		}
	}
	return nil
}

// runLoad measures a server of this process for a short time.
func runLoad(addr net.Addr, args ...string) (load, error) {
	args = append([]string{"-port", fmt.Sprint(addr.(*net.TCPAddr).Port), "-pid", fmt.Sprint(os.Getpid()),
		"-conns", "10", "-warm", "0.01", "-time", "0.1"}, args...)
	out, err := exec.Command(filepath.Join(dir, "load"), args...).CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("%w: %s", err, out)
	}
	var l load
	return l, json.Unmarshal(out, &l)
}

// answer is an echo server that may change what it sends.
func answer(t *testing.T, change func([]byte) []byte) net.Addr {
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
				b := make([]byte, 1024)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					c.Write(change(b[:n]))
				}
			}()
		}
	}()
	return l.Addr()
}

func TestLoad(t *testing.T) {
	addr := answer(t, func(b []byte) []byte { return b })
	for _, args := range [][]string{nil, {"-rate", "1000"}} {
		l, err := runLoad(addr, args...)
		if err != nil {
			t.Fatal(err)
		}
		if l.Requests == 0 || l.ServerNS == 0 || l.P50 == 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
			t.Errorf("load %v = %+v, want requests, CPU time, and latencies in order", args, l)
		}
	}
}

// TestLoadNotices: the load does not measure a server that is no echo server.
func TestLoadNotices(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func([]byte) []byte
	}{
		{"changed", "other bytes", func(b []byte) []byte { b[len(b)-1]++; return b }},
		{"late ping", "other bytes", func() func([]byte) []byte {
			first := map[string]bool{}
			var mu sync.Mutex
			var old []byte
			return func(b []byte) []byte {
				mu.Lock()
				defer mu.Unlock()
				if first[string(b)] = true; len(first) <= 20 {
					old = bytes.Clone(b)
					return b
				}
				return old
			}
		}()},
		{"too much", "too many", func(b []byte) []byte { return append(b, 0) }},
		{"nothing", "closed", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var addr net.Addr
			if c.change != nil {
				addr = answer(t, c.change)
			} else {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						io.ReadFull(c, make([]byte, 64))
						c.Close()
					}
				}()
				addr = l.Addr()
			}
			if l, err := runLoad(addr); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("load = %+v, %v, want an error that has %q", l, err, c.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.v); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.v, got, c.want)
		}
	}
}

// TestRatiosArePaired: a ratio compares values of one round.
func TestRatiosArePaired(t *testing.T) {
	var results []result
	for round, ns := range []int{100, 200, 400} { // a machine that slows down
		for server, times := range map[string]int{"base": 1, "other": 3} {
			r := result{Kind: saturation, Server: server, Round: round, Conns: 1}
			r.Requests, r.ServerNS = 1, ns*times
			results = append(results, r)
		}
	}
	rec := &record{Results: results}
	if got, want := rec.ratios(saturation, "other", "base", 1, cost), (spread{3, 3, 3, 3}); got != want {
		t.Errorf("ratios = %v, want %v", got, want)
	}
}
