package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchLines are what bench/ prints in one run, when bide needs so much.
func benchLines(ns float64) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, "Benchmark"+fmt.Sprintf(format, args...)) }
	add("Resume/bide-2 51 %g ns/op 0 B/op 0 allocs/op", ns)
	add("Resume/iter.Pull-2 51 100 ns/op 0 B/op 0 allocs/op %g ratio %g ratio-max %g ratio-min 1.15 ratio-at-most", ns/100, ns/100+.01, ns/100-.01)
	for _, among := range []int{1, 10000} {
		add("Diff/waits=%d/bide-2 51 %g ns/op", among, ns)
		add("Diff/waits=%d/openssl-2 51 %d ns/op %g ratio %g ratio-max %g ratio-min", among, 100*among, ns/100, ns/100, ns/100)
	}
	add("WakeGrowth/fds=1000to19000/bide-2 5 %g growth", ns)
	add("WakeGrowth/fds=1000to19000/syscalls-2 5 100 growth %g ratio %g ratio-max %g ratio-min", ns/100, ns/100, ns/100)
	add("MemoryWaitCtx/bide-2 3 290 B/ctx 300 at-most")
	add("EpollCtl/bide-2 3 0 epoll_ctl/pause 0 at-most")
	return lines
}

// testRecord has a result of each kind for each server: bide's CPU is so many
// nanoseconds for an echo, the others' 100.
func testRecord(t *testing.T, ns int) *record {
	rec := &record{Machine: "a machine", Go: "a Go", OpenSSL: "OpenSSL 3"}
	for _, s := range servers {
		rec.Servers = append(rec.Servers, described{s.name, "", "so"})
		for round := range 3 {
			for _, conns := range []int{1, 100, 1000, 10000} {
				for _, kind := range loads {
					r := result{Kind: kind, Server: s.name, Round: round, Conns: conns, Rate: 1000}
					r.load = load{Requests: 1000, NS: 1e9, ServerNS: 1e5, P50: 1, P99: 2, P999: 3, Max: 4}
					if s.name == "bide" {
						r.ServerNS = ns * 1000
					}
					rec.Results = append(rec.Results, r)
				}
			}
			rec.Results = append(rec.Results, result{Kind: memory, Server: s.name, Round: round, Conns: 10000, Resident: 500})
		}
	}
	for range 3 {
		rec.Bench = append(rec.Bench, benchLines(float64(ns))...)
	}
	if err := rec.parse(); err != nil {
		t.Fatal(err)
	}
	return rec
}

func reportOf(t *testing.T, rec *record) string {
	t.Helper()
	var b bytes.Buffer
	if err := rec.report(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// contains checks that the text has each of the parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, want := range parts {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}

// TestReport: a record that was written reads back, and everything in it is in
// the report and the charts.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	file, out := filepath.Join(dir, "results.json"), filepath.Join(dir, "RESULTS.md")
	if err := testRecord(t, 80).write(file); err != nil {
		t.Fatal(err)
	}
	if err := run(&options{from: file, out: out, charts: dir}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(text), "# Results\n\nOf ", "a machine", "OpenSSL 3", "## Saturation, 1 connection\n", "## Open loop, 100 connections, 1000 requests",
		"| bide | 0.08 | **0.80** (0.80-0.80) | 1.00 (1.00-1.00) | 1000 |", "| bide | 500 | 500 | 500 |",
		"| Resume | bide | 80 ns/op ± ", "|  | openssl | 1000000 ns/op", "|  | iter.Pull | 100 ns/op ± ", "| **0.80** (0.79-0.81) |",
		"(echo-memory.svg)", "(diff.svg)")
	for _, name := range []string{"echo-cpu-saturation.svg", "echo-cpu-open-loop.svg", "echo-memory.svg", "diff.svg"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(b, []byte("<svg")) {
			t.Errorf("ReadFile(%s) = %d bytes, %v, want an SVG", name, len(b), err)
		}
	}
}

// TestTargets: what is met, what is not and what was not measured follow from the
// results.
func TestTargets(t *testing.T) {
	good, bad := reportOf(t, testRecord(t, 80)), reportOf(t, testRecord(t, 130))
	for _, c := range []struct{ name, target, good, bad string }{
		{"resume and pause, over iter.Pull", "≤ 1.15", "0.8 (0.79-0.81) | met", "1.3 (1.29-1.31) | **not met**"},
		{"CPU of an echo, open loop, 100 connections, over std", "≤ 0.85", "0.8 (0.8-0.8) | met", "1.3 (1.3-1.3) | **not met**"},
		{"CPU of an echo, saturation, 1 connection, over the best Go server", "≤ 1", "0.8 (0.8-0.8), std | met", "1.3 (1.3-1.3), std | **not met**"},
		{"memory of a WaitCtx, of 1,000,000", "≤ 300 B", "290 B (290 B-290 B) | met", "290 B (290 B-290 B) | met"},
		{"growth of a wake from 1,000 descriptors to 19,000, over the bare calls'", "≤ 1.25", "0.8 (0.8-0.8) | met", "1.3 (1.3-1.3) | **not met**"},
		{"allocations to start and finish a job", "= 0", " | **not measured**", " | **not measured**"},
		{"epoll_ctl calls of a pause on a known descriptor", "= 0", "0 (0-0) | met", "0 (0-0) | met"},
		{"gain of a Group of two on two cores, over two goroutines'", "≥ 0.95", " | **not measured**", " | **not measured**"},
	} {
		row := "| " + c.name + " | " + c.target + " | "
		contains(t, good, row+c.good+" |\n")
		contains(t, bad, row+c.bad+" |\n")
	}
}

// TestRoundsDisagree: a verdict that not all rounds share says so.
func TestRoundsDisagree(t *testing.T) {
	rec := testRecord(t, 80)
	for i := range rec.Results {
		if r := &rec.Results[i]; r.Server == "bide" && r.Round == 0 && r.ServerNS > 0 {
			r.ServerNS *= 2
		}
	}
	text := reportOf(t, rec)
	contains(t, text, "over std | ≤ 0.85 | 0.8 (0.8-1.6) | met, the rounds disagree |", "| bide | 0.08 | 0.80 (0.80-1.60) |")
}

// TestAims: a stricter bound that bench/ reports counts, and no looser one.
func TestAims(t *testing.T) {
	for aim, want := range map[string]string{"0.75": "≤ 0.75 | 0.8 (0.8-0.8) | **not met**", "2": "≤ 1.15 | 0.8 (0.8-0.8) | met"} {
		rec := &record{Bench: []string{"BenchmarkResume/iter.Pull-2 51 100 ns/op 0.8 ratio 0.8 ratio-min 0.8 ratio-max " + aim + " ratio-at-most"}}
		if err := rec.parse(); err != nil {
			t.Fatal(err)
		}
		contains(t, reportOf(t, rec), "over iter.Pull | "+want)
	}
}

// TestUnmet: each account is about targets that there are, each target has one
// account, and the report prints those of unmet targets alone, once each.
func TestUnmet(t *testing.T) {
	all, err := accounts(unmetText)
	if err != nil {
		t.Fatal(err)
	}
	var names, seen []string
	for _, x := range targets() {
		if slices.Contains(names, x.name) {
			t.Errorf("two targets are called %q", x.name)
		}
		names = append(names, x.name)
	}
	for _, a := range all {
		for _, name := range a.targets {
			if !slices.Contains(names, name) {
				t.Errorf("unmet.md is about %q, which is no target", name)
			}
			if slices.Contains(seen, name) {
				t.Errorf("unmet.md has two accounts of %q", name)
			}
			seen = append(seen, name)
		}
	}
	defer func(text string) { unmetText = text }(unmetText)
	const pull, fibres, met = "resume and pause, over iter.Pull", "resume and pause, over OpenSSL's fibres", "memory of a WaitCtx, of 1,000,000"
	unmetText = "For editors.\n## " + pull + "\n## " + fibres + "\n\nThe cost is\nthis.\n\n## " + met + "\nNever seen.\n"
	text := reportOf(t, testRecord(t, 130))
	contains(t, text, "\n**"+pull+"**:\nThe cost is\nthis.\n",
		"\nbench/peers/unmet.md has no account of: Clear, Set, Changes and Ack among 10,000, over OpenSSL; CPU of an echo, ")
	for _, never := range []string{"Never seen", "For editors"} {
		if strings.Contains(text, never) {
			t.Errorf("the report has %q", never)
		}
	}
	if _, err := accounts("## a\n\n## b\n"); err == nil {
		t.Error("accounts without a text = nil, want an error")
	}
}

// TestLeft: what is left follows from how long steps of a kind took, and from
// the guess for a kind that has not been.
func TestLeft(t *testing.T) {
	p := newProgress([]step{{"a", time.Hour}, {"a", time.Hour}, {"b", time.Minute}})
	if got, want := p.left(), 2*time.Hour+time.Minute; got != want {
		t.Errorf("left() = %v, want %v", got, want)
	}
	p.at, p.began = 1, time.Now().Add(-time.Second)
	p.note()
	if got := p.left(); got < time.Minute+time.Second || got > time.Hour {
		t.Errorf("left() = %v after a step of a second, want a minute and that", got)
	}
}

// TestPlan: each step that is run was planned.
func TestPlan(t *testing.T) {
	o := &options{only: parts, rounds: 2, conns: []int{1, 10}, idle: 10, servers: servers}
	m := &measurer{o: o, benches: []string{"A", "B"}}
	if got, want := len(m.plan()), 2*2+2*(2*2+1)*len(servers); got != want {
		t.Errorf("plan() has %d steps, want %d", got, want)
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-only open-loop", "follows from saturation"},
		{"-only nothing", "is none of"},
		{"-servers none", "is none of"},
		{"-rounds 0", "positive"},
		{"-conns x", "not a number"},
		{"-cores 1", "two numbers"},
	} {
		if _, err := parseFlags(strings.Fields(c.args), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("parseFlags(%s) = %v, want an error with %q", c.args, err, c.want)
		}
	}
}
