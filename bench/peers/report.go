package main

import (
	"fmt"
	"io"
	"strings"
)

func cost(r result) float64 { return r.perRequest() }

// report writes the results as Markdown.
func (r *record) report(w io.Writer) {
	r.header(w)
	for _, kind := range []string{saturation, openLoop} {
		for _, conns := range r.conns(kind) {
			r.section(w, kind, conns)
		}
	}
	for _, conns := range r.conns(memory) {
		r.memory(w, conns)
	}
}

func (r *record) header(w io.Writer) {
	var ns []float64
	for _, x := range r.Results {
		if x.NS > 0 {
			ns = append(ns, float64(x.NS))
		}
	}
	fmt.Fprintf(w, "# Echo servers\n\n")
	if r.Note != "" {
		fmt.Fprintf(w, "%s\n\n", r.Note)
	}
	fmt.Fprintf(w, "Written by `make bench-peers` on %s. CPU is the server's own, user and system, for one echo of 64 bytes;\n", r.Date)
	fmt.Fprintf(w, "a ratio is the median over %d rounds of %.1f s, with the least and the greatest, each taken within a round.\n", r.rounds(), median(ns)/1e9)
	fmt.Fprintf(w, "Server and load are processes on a core each. bench/peers/doc.go says how it is done.\n\n")
	fmt.Fprintf(w, "- machine: %s\n", r.Machine)
	fmt.Fprintf(w, "- %s, GOMAXPROCS=1 for every server\n", r.Go)
	for _, s := range r.Servers {
		name := "**" + s.Name + "**"
		if s.Version != "" {
			name += " " + s.Version
		}
		fmt.Fprintf(w, "- %s: %s\n", name, s.How)
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
			med(cost)/1e3, r.ratios(kind, s.Name, base, conns, cost), r.ratios(kind, "bide", s.Name, conns, cost),
			med(func(x result) float64 { return x.throughput() }),
			med(func(x result) float64 { return float64(x.P50) / 1e3 }),
			med(func(x result) float64 { return float64(x.P99) / 1e3 }),
			med(func(x result) float64 { return float64(x.P999) / 1e3 }),
			med(func(x result) float64 { return x.LoadBusy * 100 }))
	}
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
		m := spreadOf(r.values(memory, s.Name, conns, func(x result) float64 { return float64(x.Resident) }))
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %.0f |\n", s.Name, m.median, m.least, m.most)
	}
}
