package main

import (
	"fmt"
	"os"
	"time"
)

// progress tells on standard error what runs and how long is left.
type progress struct {
	start    time.Time
	at, of   int
	terminal bool
}

func newProgress(of int) *progress {
	p := &progress{start: time.Now(), of: of}
	if st, err := os.Stderr.Stat(); err == nil {
		p.terminal = st.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// show is called before each step.
func (p *progress) show(format string, args ...any) {
	left := ""
	if p.at > 0 {
		each := time.Since(p.start) / time.Duration(p.at)
		left = fmt.Sprintf(", %v left", (each * time.Duration(p.of-p.at)).Round(time.Second))
	}
	p.at++
	line := fmt.Sprintf("%d/%d: ", p.at, p.of) + fmt.Sprintf(format, args...) + left
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(os.Stderr, line)
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(os.Stderr)
	}
}
