//go:build linux || darwin || freebsd

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// requests is how many GETs one round sends one server.
const requests = 200_000

// serverArgs, in the environment, makes the test's binary the server.
const serverArgs = "EVIO_BENCH_SERVER"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(serverArgs); ok {
		benchServer(strings.Fields(args))
		return
	}
	os.Exit(m.Run())
}

// benchServer is the program, which prints its address, and then its CPU time in
// nanoseconds for each line that it reads.
func benchServer(args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			var u unix.Rusage
			unix.Getrusage(unix.RUSAGE_SELF, &u)
			fmt.Println(u.Utime.Nano() + u.Stime.Nano())
		}
		cancel()
		if slices.Contains(args, "-plain") {
			os.Exit(0) // evio alone has no end
		}
	}()
	if err := run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), os.Stdout, func(net.Addr) {}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// rival is a server in a process of its own.
type rival struct {
	b          *testing.B
	name, args string
	port       string
	ask        func() // for its CPU time
	says       *bufio.Scanner
	costs      []float64 // nanoseconds of CPU time for a request, by round
}

func (r *rival) start() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverArgs+"="+r.args)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		r.b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.b.Fatal(err)
	}
	r.b.Cleanup(func() {
		in.Close()
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			r.b.Errorf("server %s: %v", r.name, err)
		}
	})
	r.ask = func() { fmt.Fprintln(in) }
	r.says = bufio.NewScanner(out)
	if !r.says.Scan() {
		r.b.Fatalf("server %s prints no address", r.name)
	}
	_, r.port, err = net.SplitHostPort(strings.TrimPrefix(r.says.Text(), "evio: "))
	if err != nil {
		r.b.Fatal(err)
	}
}

// cpu is the CPU time that the server has taken so far.
func (r *rival) cpu() time.Duration {
	r.ask()
	if !r.says.Scan() {
		r.b.Fatalf("server %s has ended", r.name)
	}
	ns, err := strconv.Atoi(r.says.Text())
	if err != nil {
		r.b.Fatal(err)
	}
	return time.Duration(ns)
}

// load sends n commands, and returns the server's CPU time for each.
func (r *rival) load(command string, n int) float64 {
	before := r.cpu()
	ctx, cancel := context.WithTimeout(r.b.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "redis-benchmark", "-h", "127.0.0.1", "-p", r.port, "-P", "16", "-t", command, "-n", strconv.Itoa(n), "-q")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "rror") {
		r.b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return float64(r.cpu()-before) / float64(n)
}

// BenchmarkGET is the server's CPU time for a GET of redis-benchmark -P 16, with
// a job for each, beside the same server on evio alone: processes of their own,
// and rounds in turn, since a machine that others use changes its speed from
// second to second. The ratios are medians over the rounds, which b.N counts:
//
//	go test -run '^$' -bench GET -benchtime 30x ./examples/evio
func BenchmarkGET(b *testing.B) {
	if _, err := exec.LookPath("redis-benchmark"); err != nil {
		b.Skip("redis-benchmark is not installed")
	}
	plain := &rival{name: "plain", args: "-plain"}
	all := []*rival{plain, {name: "job"}, {name: "pause", args: "-pause"}}
	for _, r := range all {
		r.b = b
		r.start()
		r.load("set", 1000)
		r.load("get", requests/10) // warms up
	}
	b.ResetTimer()
	for range b.N {
		for _, r := range all {
			r.costs = append(r.costs, r.load("get", requests))
		}
	}
	b.StopTimer()
	for _, r := range all {
		ratios := make([]float64, b.N)
		for i := range ratios {
			ratios[i] = r.costs[i] / plain.costs[i]
		}
		b.Logf("%-12s %4.0f ns a GET, %.2f of plain evio's (quartiles %.2f to %.2f)", r.name,
			quantile(r.costs, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75))
		if r != plain {
			b.ReportMetric(quantile(ratios, 0.5), r.name+"/plain")
		}
	}
}

func quantile[T cmp.Ordered](x []T, q float64) T {
	x = slices.Sorted(slices.Values(x))
	return x[int(q*float64(len(x)-1)+0.5)]
}
