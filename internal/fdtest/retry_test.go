package fdtest

import (
	"errors"
	"testing"
)

// fatal is a test that only counts its ends.
type fatal struct {
	testing.TB
	n int
}

func (t *fatal) Fatal(...any) { t.n++ }

func TestRetry(t *testing.T) {
	for _, c := range []struct{ taken, runs, fatal int }{{0, 1, 0}, {1, 2, 0}, {4, 5, 0}, {5, 5, 1}} {
		runs, tb := 0, &fatal{TB: t}
		Retry(tb, func() {
			if runs++; runs <= c.taken {
				panic(errTaken)
			}
		})
		if runs != c.runs || tb.n != c.fatal {
			t.Errorf("the number taken %d times: %d runs and %d ends, want %d and %d", c.taken, runs, tb.n, c.runs, c.fatal)
		}
	}
}

func TestRetryPassesOtherPanicsOn(t *testing.T) {
	want := errors.New("another")
	defer func() {
		if got := recover(); got != want {
			t.Errorf("recover() = %v, want %v", got, want)
		}
	}()
	Retry(t, func() { panic(want) })
}
