package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

func cost(r result) float64     { return r.perRequest() }
func p99(r result) float64      { return float64(r.P99) }
func resident(r result) float64 { return float64(r.Resident) }

// report writes the results as Markdown: first what was to be reached.
func (r *record) report(w io.Writer) error {
	fmt.Fprintf(w, "# Results\n\n")
	if err := r.reportTargets(w); err != nil {
		return err
	}
	r.header(w)
	r.benches(w)
	for _, kind := range loads {
		for _, conns := range r.conns(kind) {
			r.section(w, kind, conns)
		}
	}
	for _, conns := range r.conns(memory) {
		r.memory(w, conns)
	}
	return nil
}

// header says what was measured, how and on what.
func (r *record) header(w io.Writer) {
	fmt.Fprintf(w, "\n## What was measured\n\n")
	fmt.Fprintf(w, "Written by `make bench-report` on %s. bench/doc.go and bench/peers/doc.go say how it is done.\n\n", r.Date)
	fmt.Fprintf(w, "- machine: %s\n- %s\n", r.Machine, r.Go)
	if r.OpenSSL != "" {
		fmt.Fprintf(w, "- %s, called from C\n", r.OpenSSL)
	}
	for _, s := range r.Servers {
		name := "**" + s.Name + "**"
		if s.Version != "" {
			name += " " + s.Version
		}
		fmt.Fprintf(w, "- %s: %s\n", name, s.How)
	}
	var ns []float64
	for _, x := range r.Results {
		if x.NS > 0 {
			ns = append(ns, float64(x.NS))
		}
	}
	if len(ns) > 0 {
		fmt.Fprintf(w, "\nEcho servers run with GOMAXPROCS=1, server and load on a core each. CPU is the server's own, user and system, for one\n")
		fmt.Fprintf(w, "echo of 64 bytes. A ratio is the median over %d rounds of %.1f s, with the least and the greatest, each taken within a\n", r.rounds(), median(ns)/1e9)
		fmt.Fprintf(w, "round; it is **bold** where all rounds agree on who costs less.\n")
	}
}

func (r *record) section(w io.Writer, kind string, conns int) {
	base := r.Servers[0].Name
	title := fmt.Sprintf("%s, %s", strings.ToUpper(kind[:1])+kind[1:], plural(conns))
	if kind == openLoop {
		rate := r.values(kind, base, conns, func(x result) float64 { return x.Rate })
		title += fmt.Sprintf(", %.0f requests a second", median(rate))
	}
	fmt.Fprintf(w, "\n## %s\n\n", title)
	fmt.Fprintf(w, "| server | CPU µs | over %s | bide over it | requests/s | p50 µs | p99 µs | p999 µs | load busy |\n", base)
	fmt.Fprintf(w, "|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.Servers {
		med := func(f func(result) float64) float64 { return median(r.values(kind, s.Name, conns, f)) }
		fmt.Fprintf(w, "| %s | %.2f | %v | %v | %.0f | %.0f | %.0f | %.0f | %.0f %% |\n", s.Name,
			med(cost)/1e3, bold(r.ratios(kind, s.Name, base, conns, cost)), bold(r.ratios(kind, "bide", s.Name, conns, cost)),
			med(func(x result) float64 { return x.throughput() }),
			med(func(x result) float64 { return float64(x.P50) / 1e3 }),
			med(func(x result) float64 { return p99(x) / 1e3 }),
			med(func(x result) float64 { return float64(x.P999) / 1e3 }),
			med(func(x result) float64 { return x.LoadBusy * 100 }))
	}
}

// plain has four digits, or as many as there are before the point.
func plain(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// bold emphasizes a ratio that is on one side of 1 in all rounds.
func bold(s spread) string {
	if s.count > 0 && (s.least > 1 || s.most < 1) {
		return fmt.Sprintf("**%s** (%s-%s)", short(s.median), short(s.least), short(s.most))
	}
	return s.String()
}

func plural(conns int) string {
	if conns == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", conns)
}

func (r *record) memory(w io.Writer, conns int) {
	fmt.Fprintf(w, "\n## Resident memory per idle connection, %s\n\n", plural(conns))
	fmt.Fprintf(w, "Each has carried one ping; %v later, what VmRSS has grown by.\n\n", settle)
	fmt.Fprintf(w, "| server | bytes | least | greatest |\n|---|---|---|---|\n")
	for _, s := range r.Servers {
		m := spreadOf(r.values(memory, s.Name, conns, resident))
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %.0f |\n", s.Name, m.median, m.least, m.most)
	}
}
