package bench

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"bide/internal/versus"
	"bide/jobs"
	"bide/waitctx"
)

const (
	memoryRounds = 3
	quiet        = 1100 // milliseconds, after which a scheduler has given up what it need not keep
	pausedJobs   = 20_000
	waitCtxs     = 1_000_000
)

func BenchmarkMemoryPaused(b *testing.B) {
	sides := openSSLMemory(b, "memory/openssl jobs", pausedJobs, versus.AtMost(0.6))
	sides = append(sides, memory(b, "goroutine", "memory/goroutines", pausedJobs))
	versus.Values(b, "B/job", memoryRounds, memory(b, "bide", "memory/jobs", pausedJobs), sides...)
}

func BenchmarkMemoryWaitCtx(b *testing.B) {
	ours := memory(b, "bide", "memory/waitctxs", waitCtxs)
	ours.Aim = versus.AtMost(300)
	versus.Values(b, "B/ctx", memoryRounds, ours, openSSLMemory(b, "memory/openssl contexts", waitCtxs, versus.Aim{})...)
}

// memory is a side whose value is what one of n adds to the resident memory of a
// process, which is new each time. The first few pay for what is there once.
func memory(t testing.TB, name, work string, n int) versus.Side {
	return versus.Side{Name: name, Value: func() float64 {
		p := start(t, work, quiet, 1)
		defer p.end()
		first := n / 100
		before := p.ask(first)
		return (p.ask(n-first) - before) / float64(n-first)
	}}
}

// TestMemory: each work holds on to what it is asked for, which takes more than
// nothing.
func TestMemory(t *testing.T) {
	for name := range works {
		if !strings.HasPrefix(name, "memory/") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			const n = 20_000
			p := start(t, name, 0, 1)
			before := p.ask(100)
			if each := (p.ask(n) - before) / n; each < 50 {
				t.Errorf("each takes %v bytes", each)
			}
		})
	}
}

func init() {
	works["memory/jobs"] = holding(holdJobs)
	works["memory/goroutines"] = holding(holdGoroutines)
	works["memory/waitctxs"] = holding(holdWaitCtxs)
}

// holding is a work that makes n of something, keeps them, and answers with the
// process's resident memory.
func holding(more func(n int)) work {
	return func(quiet int) (int, func(n int) float64) {
		return 0, func(n int) float64 {
			more(n)
			return atRest(quiet)
		}
	}
}

// held keeps what is measured alive.
var held []any

func holdJobs(n int) {
	p, err := jobs.NewPool(0, 0)
	if err != nil {
		log.Fatal(err)
	}
	for range n {
		_, status, err := p.Start(new(waitctx.WaitCtx), func(j jobs.Job) error { return j.Pause() })
		if status != jobs.Paused || err != nil {
			log.Fatalf("Start() = %v, %v", status, err)
		}
	}
	held = append(held, p)
}

func holdGoroutines(n int) {
	block := make(chan struct{})
	for range n {
		go func() { <-block }()
	}
}

func holdWaitCtxs(n int) {
	var changes []waitctx.Change
	ctxs := make([]*waitctx.WaitCtx, n)
	for i := range ctxs {
		wc := new(waitctx.WaitCtx)
		if err := wc.Set(wc, waitctx.Wait{FD: 1}); err != nil {
			log.Fatal(err)
		}
		if changes = wc.Changes(changes[:0]); len(changes) != 1 {
			log.Fatalf("%d changes", len(changes))
		}
		wc.Ack()
		ctxs[i] = wc
	}
	held = append(held, ctxs)
}

// atRest is the process's resident memory once it was quiet for so many
// milliseconds. The collector runs several times, as it halves a stack that is
// mostly unused once each.
func atRest(quiet int) float64 {
	time.Sleep(time.Duration(quiet) * time.Millisecond)
	now := resident()
	for {
		before := now
		debug.FreeOSMemory()
		if now = resident(); now > before-before/100 {
			return now
		}
	}
}

// resident is VmRSS in bytes.
func resident() float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kb int
		if n, _ := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kb); n == 1 {
			return float64(kb << 10)
		}
	}
	log.Fatal("no VmRSS in the status of the process")
	return 0
}
