//go:build amd64 || arm64

package prefetch

import "testing"

func TestNoAddressFaults(t *testing.T) {
	for _, p := range []uintptr{0, 1, 1 << 20, 1 << 62, ^uintptr(0)} {
		Job(p, p, p, p, p, p)
	}
}

func TestGIsOfTheGoroutine(t *testing.T) {
	mine := G()
	if again := G(); again != mine || mine == 0 {
		t.Errorf("G() = %#x, then %#x, want it the same and not 0", mine, again)
	}
	other := make(chan uintptr)
	go func() { other <- G() }()
	if g := <-other; g == mine || g == 0 {
		t.Errorf("G() of another goroutine = %#x, of this one %#x", g, mine)
	}
}
