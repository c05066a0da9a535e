package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of measurement.
const (
	saturation = "saturation"
	openLoop   = "open loop"
	memory     = "memory"
)

// settle is how long a server has before its resident memory is read: for its
// collector, and for what gives memory back.
const settle = 2 * time.Second

// errNothing is a measurement to be repeated: a machine that others use too may
// keep a server off its core for all of a short one.
var errNothing = errors.New("no request was answered, or no CPU time was counted")

// result is one measurement of one server in one round.
type result struct {
	Kind   string
	Server string
	Round  int
	Conns  int
	Rate   float64 `json:",omitempty"` // pings a second, in the open loop

	load
	Resident int `json:",omitempty"` // bytes per connection
}

// load is what c/load.c prints.
type load struct {
	Requests int     `json:"requests,omitempty"`
	NS       int     `json:"ns,omitempty"`
	ServerNS int     `json:"server_ns,omitempty"`
	LoadBusy float64 `json:"load_busy,omitempty"`
	P50      int     `json:"p50,omitempty"`
	P99      int     `json:"p99,omitempty"`
	P999     int     `json:"p999,omitempty"`
	Max      int     `json:"max,omitempty"`
}

// perRequest is the server's CPU time for a request in nanoseconds.
func (l load) perRequest() float64 { return float64(l.ServerNS) / float64(l.Requests) }

func (l load) throughput() float64 { return float64(l.Requests) / float64(l.NS) * 1e9 }

// Parts of a run, in their order.
const (
	partBench      = "bench"
	partSaturation = "saturation"
	partOpenLoop   = "open-loop"
	partMemory     = "memory"
)

var parts = []string{partBench, partSaturation, partOpenLoop, partMemory}

// measure builds what the parts need, and measures. With an error comes what was
// measured until then, if anything was.
func (o *options) measure() (*record, error) {
	dir, err := os.MkdirTemp("", "bide-peers")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(os.Stderr, "building")
	if err := build(dir, o.servers); err != nil {
		return nil, err
	}
	m := &measurer{o: o, loadBin: filepath.Join(dir, "load")}
	if o.has(partBench) {
		if m.benchBin, m.benches, err = buildBench(dir); err != nil {
			return nil, err
		}
	}
	if m.record, err = newRecord(o.servers); err != nil {
		return nil, err
	}
	m.progress = newProgress(m.plan())
	defer m.progress.end()
	return m.record, m.all()
}

func (o *options) has(part string) bool { return slices.Contains(o.only, part) }

type measurer struct {
	o                 *options
	loadBin, benchBin string
	benches           []string // names of the benchmarks of bench/
	record            *record
	progress          *progress
}

// plan is what all will measure, in the same order.
func (m *measurer) plan() []step {
	var steps []step
	if m.o.has(partBench) {
		for range m.o.rounds {
			for _, name := range m.benches {
				steps = append(steps, step{name, 5 * time.Second})
			}
		}
	}
	echo := func(kind string, conns int, guess time.Duration) {
		for range m.o.rounds * len(m.o.servers) {
			steps = append(steps, step{kind + plural(conns), guess + time.Duration(conns)*100*time.Microsecond})
		}
	}
	for _, kind := range loads {
		if !m.o.has(partOf(kind)) {
			continue
		}
		for _, conns := range m.o.conns {
			echo(kind, conns, m.o.time+time.Second/2)
		}
	}
	if m.o.has(partMemory) {
		echo(memory, m.o.idle, settle)
	}
	return steps
}

// partOf is the part that measures results of a kind.
func partOf(kind string) string { return strings.ReplaceAll(kind, " ", "-") }

// all does all rounds of one kind before the next: the open loop's rate follows
// from saturation.
func (m *measurer) all() error {
	if m.o.has(partBench) {
		if err := m.runBenches(); err != nil {
			return err
		}
	}
	if m.o.has(partSaturation) {
		for _, conns := range m.o.conns {
			if err := m.rounds(saturation, conns, 0); err != nil {
				return err
			}
		}
	}
	if m.o.has(partOpenLoop) {
		for _, conns := range m.o.conns {
			if err := m.rounds(openLoop, conns, halfOfSlowest(m.record.Results, conns)); err != nil {
				return err
			}
		}
	}
	if m.o.has(partMemory) {
		return m.rounds(memory, m.o.idle, 0)
	}
	return nil
}

// runBenches runs every benchmark of bench/ once a round.
func (m *measurer) runBenches() error {
	for round := range m.o.rounds {
		for _, name := range m.benches {
			m.progress.show("round %d of %d, bench, %s", round+1, m.o.rounds, name)
			lines, err := runBench(m.benchBin, name)
			if err != nil {
				return err
			}
			m.record.Bench = append(m.record.Bench, lines...)
		}
	}
	return nil
}

// halfOfSlowest is half of what the slowest server could do at saturation.
func halfOfSlowest(results []result, conns int) float64 {
	byServer := map[string][]float64{}
	for _, r := range results {
		if r.Kind == saturation && r.Conns == conns {
			byServer[r.Server] = append(byServer[r.Server], r.throughput())
		}
	}
	least := 0.0
	for _, v := range byServer {
		if x := median(v); least == 0 || x < least {
			least = x
		}
	}
	return float64(int(least / 2))
}

// rounds measures every server once a round, beginning with another one each.
func (m *measurer) rounds(kind string, conns int, rate float64) error {
	n := len(m.o.servers)
	for round := range m.o.rounds {
		for i := range n {
			s := m.o.servers[(i+round)%n]
			m.progress.show("round %d of %d, %s, %s, %s", round+1, m.o.rounds, kind, plural(conns), s.name)
			r := result{Kind: kind, Server: s.name, Round: round, Conns: conns, Rate: rate}
			err := m.one(s, &r)
			for tries := 1; err == errNothing && tries < 10; tries++ {
				err = m.one(s, &r)
			}
			if err != nil {
				return fmt.Errorf("%s, %s, %s: %w", s.name, kind, plural(conns), err)
			}
			m.record.Results = append(m.record.Results, r)
		}
	}
	return nil
}

func (m *measurer) one(s *server, r *result) error {
	i, err := s.start(m.o.cores[0])
	if err != nil {
		return err
	}
	defer i.stop()
	args := []string{
		"-c", strconv.Itoa(m.o.cores[1]), m.loadBin,
		"-port", strconv.Itoa(i.port), "-pid", strconv.Itoa(i.pid()), "-conns", strconv.Itoa(r.Conns),
		"-rate", fmt.Sprint(r.Rate), "-time", fmt.Sprint(m.o.time.Seconds()),
	}
	if r.Kind == memory {
		return measureIdle(i, r, args)
	}
	out, err := command(".", "taskset", args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), &r.load); err != nil {
		return err
	}
	if r.Requests == 0 || r.ServerNS == 0 {
		return errNothing
	}
	return nil
}

// measureIdle reads what the server's resident memory grew by, for connections
// that have carried one ping each.
func measureIdle(i *instance, r *result, args []string) error {
	before, err := i.resident()
	if err != nil {
		return err
	}
	cmd := exec.Command("taskset", append(args, "-idle")...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	time.Sleep(settle)
	after, rerr := i.resident()
	stdin.Close()
	if err := cmd.Wait(); err != nil || line == "" {
		return fmt.Errorf("%s: %w", filepath.Base(args[2]), err)
	}
	r.Resident = (after - before) / r.Conns
	return rerr
}
