package main

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchmath"
)

const confidence = 0.95

// value is the unit in which a side was measured, beside what every side may
// report.
func (b *benchmarks) value(s side) string {
	for _, unit := range b.units[s] {
		switch unit {
		case "B/op", "allocs/op", "ratio", "ratio-min", "ratio-max", "ratio-at-most", "ratio-at-least", "at-most", "at-least":
		default:
			return unit
		}
	}
	return ""
}

// benches writes the results of bench/ as benchstat would, with the same
// statistics: medians, their confidence intervals, and of two samples how likely
// it is that they do not differ.
func (r *record) benches(w io.Writer) {
	if len(r.parsed.sides) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Benchmarks of bench/\n\n")
	fmt.Fprintf(w, "The median of the runs, with its %.0f %% confidence interval; a run is itself the median of many rounds. bide over a\n", confidence*100)
	fmt.Fprintf(w, "rival is the median of the runs' ratios, with the least and the greatest of all rounds; p of the Mann-Whitney test says\n")
	fmt.Fprintf(w, "how likely the two differ by chance.\n\n")
	fmt.Fprintf(w, "| benchmark | side | median | bide over it | | B/op | allocs/op |\n|---|---|---|---|---|---|---|\n")
	last := ""
	for _, s := range r.parsed.sides {
		bench := s.bench
		if bench == last {
			bench = ""
		}
		last = s.bench
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", bench, s.name, r.parsed.summary(s), bold(r.parsed.ratio(s)),
			r.parsed.compared(s), r.parsed.count(s, "B/op"), r.parsed.count(s, "allocs/op"))
	}
}

// sample is what benchmath makes of a side's values.
func (b *benchmarks) sample(s side, unit string) *benchmath.Sample {
	return benchmath.NewSample(append([]float64(nil), b.values[s][unit]...), &benchmath.DefaultThresholds)
}

func (b *benchmarks) summary(s side) string {
	unit := b.value(s)
	if unit == "" {
		return ""
	}
	sum := benchmath.AssumeNothing.Summary(b.sample(s, unit), confidence)
	return fmt.Sprintf("%s %s ± %s", plain(sum.Center), unit, strings.TrimSpace(sum.PctRangeString()))
}

// compared says how likely a rival's values differ from bide's by chance.
func (b *benchmarks) compared(s side) string {
	ours, unit := side{s.bench, "bide"}, b.value(s)
	if s == ours || unit == "" || len(b.values[ours][unit]) == 0 {
		return ""
	}
	return benchmath.AssumeNothing.Compare(b.sample(ours, unit), b.sample(s, unit)).String()
}

func (b *benchmarks) count(s side, unit string) string {
	v := b.values[s][unit]
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", median(v))
}
