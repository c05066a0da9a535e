package main

import (
	"fmt"
	"os"
	"time"
)

// step is a measurement to come: steps of one kind take about as long.
type step struct {
	kind  string
	guess time.Duration // used until one of its kind has been
}

// taken is how long steps of a kind took, all together, and how many there were.
type taken struct {
	sum time.Duration
	n   int
}

// progress tells on standard error what runs and how long is left.
type progress struct {
	steps    []step
	at       int // steps begun
	began    time.Time
	took     map[string]taken // by kind
	terminal bool
}

func newProgress(steps []step) *progress {
	p := &progress{steps: steps, took: make(map[string]taken)}
	if st, err := os.Stderr.Stat(); err == nil {
		p.terminal = st.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// show is called before each step, in their order.
func (p *progress) show(format string, args ...any) {
	p.note()
	line := fmt.Sprintf("%d/%d: ", p.at+1, len(p.steps)) + fmt.Sprintf(format, args...) +
		fmt.Sprintf(", %v left", p.left().Round(time.Second))
	p.at++
	p.began = time.Now()
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(os.Stderr, line)
}

// note learns from the step that has ended how long those of its kind take.
func (p *progress) note() {
	if p.at > 0 {
		t := p.took[p.steps[p.at-1].kind]
		p.took[p.steps[p.at-1].kind] = taken{t.sum + time.Since(p.began), t.n + 1}
	}
}

func (p *progress) left() time.Duration {
	var left time.Duration
	for _, s := range p.steps[p.at:] {
		if t, ok := p.took[s.kind]; ok {
			left += t.sum / time.Duration(t.n)
		} else {
			left += s.guess
		}
	}
	return left
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
}
