package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// record is a run's results with what they were measured on.
type record struct {
	Date    string
	Machine string
	Go      string
	OpenSSL string `json:",omitempty"`
	Servers []described
	Results []result `json:",omitempty"`
	Bench   []string `json:",omitempty"` // lines of bench/, in the Go benchmark format

	parsed *benchmarks // of Bench
}

// described is a server under measurement, as the report names it.
type described struct{ Name, Version, How string }

func newRecord(servers []*server) (*record, error) {
	r := &record{
		Date:    time.Now().UTC().Format(time.DateOnly),
		Machine: machine(),
		Go:      fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
	}
	if v, err := command(".", "openssl", "version"); err == nil {
		r.OpenSSL = v
	}
	for _, s := range servers {
		version, err := s.version()
		if err != nil {
			return nil, err
		}
		r.Servers = append(r.Servers, described{s.name, version, s.how})
	}
	return r, nil
}

func readRecord(name string) (*record, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(record)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if r.count() == 0 {
		return nil, fmt.Errorf("%s holds no results", name)
	}
	return r, nil
}

// count is how many measurements there are.
func (r *record) count() int { return len(r.Results) + len(r.Bench) }

// parse reads the lines of bench/.
func (r *record) parse() (err error) {
	r.parsed, err = parseBench(r.Bench)
	return err
}

func (r *record) write(name string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o666)
}

// conns are the numbers of connections that results of a kind are for.
func (r *record) conns(kind string) []int {
	var all []int
	for _, x := range r.Results {
		if x.Kind == kind && !slices.Contains(all, x.Conns) {
			all = append(all, x.Conns)
		}
	}
	slices.Sort(all)
	return all
}

func (r *record) rounds() int {
	n := 0
	for _, x := range r.Results {
		n = max(n, x.Round+1)
	}
	return n
}

// values are a server's values over the rounds, in their order.
func (r *record) values(kind, server string, conns int, f func(result) float64) []float64 {
	var v []float64
	for _, x := range r.Results {
		if x.Kind == kind && x.Server == server && x.Conns == conns {
			v = append(v, f(x))
		}
	}
	return v
}

// ratios are a server's values over another's, round by round.
func (r *record) ratios(kind, server, base string, conns int, f func(result) float64) spread {
	v, b := r.values(kind, server, conns, f), r.values(kind, base, conns, f)
	if len(v) != len(b) {
		return spread{} // the base was not measured
	}
	for i := range v {
		v[i] /= b[i]
	}
	return spreadOf(v)
}

// spread is a median with the least and the greatest of so many values.
type spread struct {
	median, least, most float64
	count               int
}

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	return spread{median(v), slices.Min(v), slices.Max(v), len(v)}
}

func (s spread) String() string {
	if s.count == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s-%s)", short(s.median), short(s.least), short(s.most))
}

// short has two digits behind the point, and more below a tenth.
func short(v float64) string {
	if v != 0 && math.Abs(v) < 0.1 {
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// machine describes the processor and the kernel.
func machine() string {
	model := "processor unknown"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, ok := strings.Cut(string(b), "model name\t: "); ok {
			model, _, _ = strings.Cut(after, "\n")
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	cc, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	return fmt.Sprintf("%s, %d cores, Linux %s, TCP congestion control %s",
		model, runtime.NumCPU(), strings.TrimSpace(string(kernel)), strings.TrimSpace(string(cc)))
}
