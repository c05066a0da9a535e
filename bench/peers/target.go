package main

import (
	"fmt"
	"math"
)

// target is what bide is to reach in something, and what was measured of it. It
// is met or not by the median.
type target struct {
	name  string
	bound string // "≤", "<", "≥" or "="
	value float64
	unit  string
	found func(*record) (spread, string) // and a remark; measured nothing: the zero spread
	aim   *side                          // of bench/, which may report a stricter bound
}

// The kinds of load, by what the report calls them.
var loads = []string{saturation, openLoop}

// targets are all there are, in the order of the report.
func targets() []target {
	all := []target{
		overRival("resume and pause, over iter.Pull", "Resume", "iter.Pull", "≤", 1.15),
		overRival("resume and pause, over OpenSSL's fibres", "Resume", "openssl", "<", 1),
		overRival("start and finish of a job, over OpenSSL's from its pool", "StartFinish", "openssl", "≤", 1),
		ownValue("allocations to start and finish a job", "StartFinish", "allocs/op", "=", 0),
		overRival("Clear, Set, Changes and Ack among 1, over OpenSSL", "Diff/waits=1", "openssl", "≤", 2),
		overRival("Clear, Set, Changes and Ack among 10,000, over OpenSSL", "Diff/waits=10000", "openssl", "≤", 0.01),
		overRival("wake of a job among 1, over the bare system calls", "Wake/fds=1", "syscalls", "≤", 1.15),
		overRival("wake of a job among 1, over a goroutine on Go's netpoller", "Wake/fds=1", "netpoller", "≤", 0.7),
	}
	for _, kind := range loads {
		for _, c := range []struct {
			over  string
			value float64
		}{{"c-epoll", 1.10}, {"std", 0.85}, {"gnet", 0.85}, {"nbio", 0.9}, {"netpoll", 0.95}, {"evio", 0.75}} {
			all = append(all, echoOver(kind, 100, c.over, c.value))
		}
	}
	for _, kind := range loads {
		for _, conns := range []int{1, 1000, 10000} {
			all = append(all, echoOverBest("CPU of an echo", kind, conns, cost, 1))
		}
	}
	for _, kind := range loads {
		for _, conns := range []int{1, 100, 1000, 10000} {
			all = append(all, echoOverBest("p99 of an echo", kind, conns, p99, 1.10))
		}
	}
	return append(all,
		idleOver("memory of an idle connection, stackless, over std", []string{"std"}, 0.1),
		idleOver("memory of an idle connection, stackless, over the best of gnet, nbio and evio", []string{"gnet", "nbio", "evio"}, 1),
		overRival("memory of an idle TLS 1.3 connection, over a goroutine in Read", "MemoryIdleTLS", "goroutine", "≤", 0.35),
		overRival("memory of a paused job, over OpenSSL's", "MemoryPaused", "openssl", "≤", 0.6),
		overRival("growth of a wake from 1,000 descriptors to 19,000, over the bare calls'", "WakeGrowth", "syscalls", "≤", 1.25),
		ownValue("memory of a WaitCtx, of 1,000,000", "MemoryWaitCtx", "B/ctx", "≤", 300),
		overRival("gain of a Group of two on two cores, over two goroutines'", "GroupGain", "goroutines", "≥", 0.95),
		ownValue("connections on the busiest of two loops, of 1,000", "GroupAccept", "busiest-%", "≤", 60),
		ownValue("epoll_ctl calls of a pause on a known descriptor", "EpollCtl", "epoll_ctl/pause", "=", 0),
	)
}

// overRival bounds the ratio to a rival in a benchmark of bench/.
func overRival(name, bench, rival, bound string, value float64) target {
	s := side{bench, rival}
	return target{name: name, bound: bound, value: value, aim: &s, found: func(r *record) (spread, string) {
		return r.parsed.ratio(s), ""
	}}
}

// ownValue bounds bide's own value in a benchmark of bench/.
func ownValue(name, bench, unit, bound string, value float64) target {
	s := side{bench, "bide"}
	return target{name: name, bound: bound, value: value, unit: unit, aim: &s, found: func(r *record) (spread, string) {
		return r.parsed.own(s, unit), ""
	}}
}

// echoOver bounds bide's CPU for an echo over another server's.
func echoOver(kind string, conns int, over string, value float64) target {
	name := fmt.Sprintf("CPU of an echo, %s, %s, over %s", kind, plural(conns), over)
	return target{name: name, bound: "≤", value: value, found: func(r *record) (spread, string) {
		return r.ratios(kind, "bide", over, conns, cost), ""
	}}
}

// goPeers are the Go servers that bide's is not to be worse than.
var goPeers = []string{"std", "gnet", "nbio", "netpoll", "gaio", "evio"}

// echoOverBest bounds a value of bide's over that of the Go server which has the
// least median: whichever was least in each round would be a matter of luck.
func echoOverBest(what, kind string, conns int, f func(result) float64, value float64) target {
	name := fmt.Sprintf("%s, %s, %s, over the best Go server", what, kind, plural(conns))
	return target{name: name, bound: "≤", value: value, found: func(r *record) (spread, string) {
		best := r.best(kind, goPeers, conns, f)
		return r.ratios(kind, "bide", best, conns, f), best
	}}
}

// idleOver bounds the memory of an idle connection over the best of others'.
func idleOver(name string, others []string, value float64) target {
	return target{name: name, bound: "≤", value: value, found: func(r *record) (spread, string) {
		conns := r.conns(memory)
		if len(conns) == 0 {
			return spread{}, ""
		}
		best := r.best(memory, others, conns[0], resident)
		return r.ratios(memory, "bide-stackless", best, conns[0], resident), best
	}}
}

// best is the one of the servers with the least median, or "".
func (r *record) best(kind string, servers []string, conns int, f func(result) float64) string {
	best, least := "", math.Inf(1)
	for _, name := range servers {
		if v := r.values(kind, name, conns, f); len(v) > 0 && median(v) < least {
			best, least = name, median(v)
		}
	}
	return best
}

// holds says whether a value is within the bound.
func (t *target) holds(v float64) bool {
	switch t.bound {
	case "≤":
		return v <= t.value
	case "<":
		return v < t.value
	case "≥":
		return v >= t.value
	}
	return v == t.value
}

// aimed is the target, with the bound that bench/ reports where that is stricter.
func (t target) aimed(b *benchmarks) target {
	if t.aim == nil {
		return t
	}
	prefix := "ratio-"
	if t.aim.name == "bide" {
		prefix = ""
	}
	values := b.find(*t.aim)
	if v := values[prefix+"at-most"]; len(v) > 0 && v[0] < t.value {
		t.bound, t.value = "≤", v[0]
	}
	if v := values[prefix+"at-least"]; len(v) > 0 && v[0] > t.value {
		t.bound, t.value = "≥", v[0]
	}
	return t
}

// verdict is what was found, and whether that meets the target.
type verdict struct {
	target
	spread
	remark   string
	measured bool
	met      bool
}

// sure says whether every round agrees with the verdict.
func (v *verdict) sure() bool { return v.holds(v.least) == v.met && v.holds(v.most) == v.met }

// judge compares what was measured with the targets.
func (r *record) judge() []verdict {
	var all []verdict
	for _, t := range targets() {
		v := verdict{target: t.aimed(r.parsed)}
		v.spread, v.remark = t.found(r)
		v.measured = v.count > 0
		v.met = v.measured && v.holds(v.median)
		all = append(all, v)
	}
	return all
}
