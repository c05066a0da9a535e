package versus

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestValues compares two sides whose values are known.
func TestValues(t *testing.T) {
	var order strings.Builder
	side := func(name string, first, step float64) Side {
		return Side{Name: name, Value: func() float64 {
			order.WriteString(name)
			first += step
			return first
		}}
	}
	values := measure([]Side{side("a", 0, 1), side("b", 0, 2), side("c", 9, 1)}, 2, 2, 2)
	if got, want := order.String(), "abc"+"bca"+"cab"+"abc"; got != want {
		t.Errorf("the order was %s, want %s", got, want)
	}
	if got := median(values[2]); got != 13 {
		t.Errorf("the median of %v is %v, want 13", values[2], got)
	}
	for _, r := range ratios(values[0], values[1]) {
		if r != 0.5 {
			t.Errorf("the ratios are %v, want 0.5 each", ratios(values[0], values[1]))
		}
	}
}

// TestSidesSettle: each side runs untimed before it is timed.
func TestSidesSettle(t *testing.T) {
	var runs []int
	once := Side{Timed: func(n int) time.Duration {
		runs = append(runs, n)
		return time.Duration(n) * time.Microsecond
	}}.once()
	n := runs[len(runs)-1]
	runs = nil
	if got := once(); got != 1000 {
		t.Errorf("a step of 1 µs took %v ns", got)
	}
	if want := []int{settle * n, n}; !slices.Equal(runs, want) {
		t.Errorf("it ran %v steps, want %v, of which the last are timed", runs, want)
	}
}
