// Package versus benchmarks something beside its rivals in one run, in turn,
// since a machine that others use changes its speed from second to second. Quote
// the ratios; each is taken within a round. Times are by Clock.
package versus

import (
	"runtime"
	"sort"
	"testing"
	"time"
)

const (
	// Steps has rounds of short slices of each side, of which the median counts.
	rounds    = 7
	round     = 300 * time.Millisecond // is over then, if it had minSlices
	minSlices = 3
	maxSlices = 9
	slice     = 2 * time.Millisecond

	// settle is how many slices each side runs before one that is timed. For four to
	// seven milliseconds after a call of C, or after a sleep, the runtime's monitor
	// wakes every 20 microseconds: a quarter of what 40 ns of Go took then was the
	// rival's doing. And each comes to caches that another has filled.
	settle = 5

	// lastN is what package testing asks for in the end of a benchmark that takes
	// no time.
	lastN = 1_000_000_000
)

// Side is one of those that are compared. One of its functions measures it.
type Side struct {
	Name string
	Aim  Aim

	Run   func(n int)               // does n steps, which are timed
	Timed func(n int) time.Duration // does n steps, and says how long they took
	Value func() float64            // measures once
}

// Aim bounds the ratio to a rival, or the first side's own value. The zero Aim
// does not. It is reported, not enforced.
type Aim struct {
	unit  string
	value float64
}

// AtMost is an upper bound.
func AtMost(x float64) Aim { return Aim{"at-most", x} }

// AtLeast is a lower bound.
func AtLeast(x float64) Aim { return Aim{"at-least", x} }

// Steps compares what a step costs, in ns/op. Of sides with Run it reports what
// they allocate too.
func Steps(b *testing.B, ours Side, rivals ...Side) {
	b.Helper()
	sides := append([]Side{ours}, rivals...)
	report(b, "ns/op", sides, measure(sides, rounds, minSlices, maxSlices))
}

// Values compares values of any unit, measured once in each of so many rounds.
func Values(b *testing.B, unit string, rounds int, ours Side, rivals ...Side) {
	b.Helper()
	sides := append([]Side{ours}, rivals...)
	report(b, unit, sides, measure(sides, rounds, 1, 1))
}

// report has a benchmark below b for each side. Its ratio is that of the first
// side's value to its own.
func report(b *testing.B, unit string, sides []Side, values [][]float64) {
	b.Helper()
	for i, s := range sides {
		var allocs, bytes float64
		if s.Run != nil {
			allocs, bytes = allocations(s.Run)
		}
		b.Run(s.Name, func(b *testing.B) {
			if b.N == lastN {
				//lint:ignore SA3001 what the line is to say: the rounds were before
				b.N = len(values[i])
			}
			b.ReportMetric(0, "ns/op") // leaves it out, unless it is the unit
			b.ReportMetric(median(values[i]), unit)
			if s.Run != nil {
				b.ReportAllocs()
				b.ReportMetric(allocs, "allocs/op")
				b.ReportMetric(bytes, "B/op")
			}
			prefix := ""
			if i > 0 {
				prefix = "ratio-"
				r := ratios(values[0], values[i])
				b.ReportMetric(median(r), "ratio")
				b.ReportMetric(r[0], "ratio-min")
				b.ReportMetric(r[len(r)-1], "ratio-max")
			}
			if s.Aim != (Aim{}) {
				b.ReportMetric(s.Aim.value, prefix+s.Aim.unit)
			}
		})
	}
}

// measure returns each side's values, one a round: the median of its slices.
// Each slice begins with another side.
func measure(sides []Side, rounds, least, most int) [][]float64 {
	once := make([]func() float64, len(sides))
	for i, s := range sides {
		once[i] = s.once()
	}
	values := make([][]float64, len(sides))
	first := 0
	for range rounds {
		slices := make([][]float64, len(sides))
		begun := time.Now()
		for n := 0; n < least || n < most && time.Since(begun) < round; n++ {
			for k := range sides {
				i := (first + k) % len(sides)
				slices[i] = append(slices[i], once[i]())
			}
			first++
		}
		for i := range sides {
			values[i] = append(values[i], median(slices[i]))
		}
	}
	return values
}

// once returns what measures the side once: nanoseconds per step, of as many as
// fill a slice.
func (s Side) once() func() float64 {
	timed := s.Timed
	switch {
	case s.Value != nil:
		return s.Value
	case timed == nil:
		timed = func(n int) time.Duration {
			t := Clock()
			s.Run(n)
			return Clock() - t
		}
	}
	n := 1
	for timed(n) < slice { // warms up, too
		n *= 2
	}
	return func() float64 {
		timed(settle * n)
		return float64(timed(n)) / float64(n)
	}
}

// allocations returns how many a step makes, and of how many bytes.
func allocations(run func(n int)) (allocs, bytes float64) {
	const n = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run(n)
	runtime.ReadMemStats(&after)
	// Less than one a step is somebody else's.
	return float64((after.Mallocs - before.Mallocs) / n), float64((after.TotalAlloc - before.TotalAlloc) / n)
}

// ratios returns the quotients of the rounds, the least first.
func ratios(x, y []float64) []float64 {
	r := make([]float64, len(x))
	for i := range x {
		r[i] = x[i] / y[i]
	}
	sort.Float64s(r)
	return r
}

func median(x []float64) float64 {
	x = append([]float64(nil), x...)
	sort.Float64s(x)
	return x[len(x)/2]
}
