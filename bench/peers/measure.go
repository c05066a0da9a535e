package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
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
var errNothing = errors.New("no request was answered")

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

// measure does all rounds of one kind before the next: the open loop's rate
// follows from saturation.
func measure(o *options, loadBin string) ([]result, error) {
	idle := o.idle
	kinds := 2 * len(o.conns)
	if idle > 0 {
		kinds++
	}
	m := &measurer{o: o, loadBin: loadBin, progress: newProgress(kinds * o.rounds * len(o.servers))}
	defer m.progress.end()
	for _, conns := range o.conns {
		if err := m.rounds(saturation, conns, 0); err != nil {
			return nil, err
		}
	}
	for _, conns := range o.conns {
		if err := m.rounds(openLoop, conns, halfOfSlowest(m.results, conns)); err != nil {
			return nil, err
		}
	}
	if idle > 0 {
		if err := m.rounds(memory, idle, 0); err != nil {
			return nil, err
		}
	}
	return m.results, nil
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

type measurer struct {
	o        *options
	loadBin  string
	results  []result
	progress *progress
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
			for range 2 {
				if err == errNothing {
					err = m.one(s, &r)
				}
			}
			if err != nil {
				return fmt.Errorf("%s, %s, %s: %w", s.name, kind, plural(conns), err)
			}
			m.results = append(m.results, r)
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
	if r.Requests == 0 {
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
