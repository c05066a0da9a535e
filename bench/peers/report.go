package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// spread is a median with the least and the greatest.
type spread struct{ median, least, most float64 }

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	return spread{median(v), slices.Min(v), slices.Max(v)}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// table is the results with a way to look them up.
type table struct {
	o       *options
	results []result
}

// values are a server's values over the rounds, in their order.
func (t *table) values(kind, server string, conns int, f func(result) float64) []float64 {
	var v []float64
	for _, r := range t.results {
		if r.Kind == kind && r.Server == server && r.Conns == conns {
			v = append(v, f(r))
		}
	}
	return v
}

// ratios are a server's values over another's, round by round.
func (t *table) ratios(kind, server, base string, conns int, f func(result) float64) spread {
	v, b := t.values(kind, server, conns, f), t.values(kind, base, conns, f)
	for i := range v {
		v[i] /= b[i]
	}
	return spreadOf(v)
}

func cost(r result) float64 { return r.perRequest() }

// report writes the results as Markdown.
func report(w io.Writer, o *options, results []result) error {
	t := &table{o, results}
	if err := t.header(w); err != nil {
		return err
	}
	for _, kind := range []string{saturation, openLoop} {
		for _, conns := range o.conns {
			t.section(w, kind, conns)
		}
	}
	if o.idle > 0 {
		t.memory(w)
	}
	return nil
}

func (t *table) header(w io.Writer) error {
	fmt.Fprintf(w, "# Echo servers\n\n")
	fmt.Fprintf(w, "Written by `make bench-peers` on %s. CPU is the server's own, user and system, for one echo of 64 bytes;\n", time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintf(w, "a ratio is the median over %d rounds of %v, with the least and the greatest, each taken within a round.\n", t.o.rounds, t.o.time)
	fmt.Fprintf(w, "Server and load are processes on a core each. bench/peers/doc.go says how it is done.\n\n")
	fmt.Fprintf(w, "- machine: %s\n", machine())
	fmt.Fprintf(w, "- %s %s/%s, GOMAXPROCS=1 for every server\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, s := range t.o.servers {
		version, err := s.version()
		if err != nil {
			return err
		}
		if version != "" {
			version = " " + version
		}
		fmt.Fprintf(w, "- **%s**%s: %s\n", s.name, version, s.how)
	}
	return nil
}

func (t *table) section(w io.Writer, kind string, conns int) {
	base := t.o.servers[0].name
	rate := t.values(kind, base, conns, func(r result) float64 { return r.Rate })
	title := fmt.Sprintf("%s, %s", strings.ToUpper(kind[:1])+kind[1:], plural(conns))
	if kind == openLoop {
		title += fmt.Sprintf(", %.0f requests a second", median(rate))
	}
	fmt.Fprintf(w, "\n## %s\n\n", title)
	fmt.Fprintf(w, "| server | CPU µs | over %s | bide over it | requests/s | p50 µs | p99 µs | p999 µs | load busy |\n", base)
	fmt.Fprintf(w, "|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range t.o.servers {
		med := func(f func(result) float64) float64 { return median(t.values(kind, s.name, conns, f)) }
		over := t.ratios(kind, s.name, base, conns, cost)
		bide := t.ratios(kind, "bide", s.name, conns, cost)
		fmt.Fprintf(w, "| %s | %.2f | %s | %s | %.0f | %.0f | %.0f | %.0f | %.0f %% |\n", s.name,
			med(cost)/1e3, over, bide, med(func(r result) float64 { return r.throughput() }),
			med(func(r result) float64 { return float64(r.P50) / 1e3 }),
			med(func(r result) float64 { return float64(r.P99) / 1e3 }),
			med(func(r result) float64 { return float64(r.P999) / 1e3 }),
			med(func(r result) float64 { return r.LoadBusy * 100 }))
	}
}

func plural(conns int) string {
	if conns == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", conns)
}

func (s spread) String() string {
	if s.median == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", s.median, s.least, s.most)
}

func (t *table) memory(w io.Writer) {
	fmt.Fprintf(w, "\n## Resident memory per idle connection, %d connections\n\n", t.o.idle)
	fmt.Fprintf(w, "Each has carried one ping; %v later, what VmRSS has grown by.\n\n", settle)
	fmt.Fprintf(w, "| server | bytes | least | greatest |\n|---|---|---|---|\n")
	for _, s := range t.o.servers {
		m := spreadOf(t.values(memory, s.name, t.o.idle, func(r result) float64 { return float64(r.Resident) }))
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %.0f |\n", s.name, m.median, m.least, m.most)
	}
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
