// Package versus benchmarks something against its rival in one run: short
// rounds of each in turn, since a machine that others use changes its speed
// from second to second. Quote the ratio; it is of medians.
package versus

import (
	"slices"
	"testing"
	"time"
)

// round is how long a round takes, about.
const round = 2 * time.Millisecond

// Run benchmarks ours, whose cost per step is what b reports, beside rival.
// Each runs n steps when called. The rival's cost is the metric "rival-ns", the
// median of the ratios of neighbouring rounds "ratio".
func Run(b *testing.B, ours, rival func(n int)) {
	b.Helper()
	b.ReportAllocs()
	n := calibrate(rival)
	ours(n) // warms up
	var our, their, ratios []float64
	b.ResetTimer()
	for done := 0; done < b.N || len(ratios) < 5; done += n {
		t := time.Now()
		ours(n)
		mine := time.Since(t)
		b.StopTimer()
		t = time.Now()
		rival(n)
		other := time.Since(t)
		b.StartTimer()
		our = append(our, float64(mine)/float64(n))
		their = append(their, float64(other)/float64(n))
		ratios = append(ratios, float64(mine)/float64(other))
	}
	b.StopTimer()
	b.ReportMetric(median(our), "ns/op")
	b.ReportMetric(median(their), "rival-ns")
	b.ReportMetric(median(ratios), "ratio")
}

// calibrate returns how many steps fill a round.
func calibrate(step func(n int)) int {
	for n := 1; ; n *= 2 {
		t := time.Now()
		step(n)
		if time.Since(t) >= round {
			return n
		}
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
