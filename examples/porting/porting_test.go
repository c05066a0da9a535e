//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/poller"
	"bide/waitctx"
)

func Example() {
	main()
	// Output:
	// Starting...
	// Executing within a job
	// Passed in message is: Hello world!
	// Job was paused
	// Waiting for the job to be woken up
	// Resumed the job after a pause
	// Job finished with return value 1
	// Finishing
}

// blocks returns the code of one language in docs/porting.md.
func blocks(t *testing.T, language string) (code []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/porting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```"+language+"\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		code = append(code, block)
	}
	if len(code) != 2 {
		t.Fatalf("docs/porting.md has %d blocks of %s, want 2", len(code), language)
	}
	return code
}

// TestPageShowsTheExample: each block of Go is a part of main.go.
func TestPageShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks(t, "go") {
		if !strings.Contains(string(source), block) {
			t.Errorf("not in main.go:\n%s", block)
		}
	}
}

// refusing is a poller that takes no wait.
type refusing struct{ poller.Poller }

func (p refusing) Apply(changes []waitctx.Change) error {
	var errs []error
	for i := range changes {
		if changes[i].Op == waitctx.OpAdd {
			changes[i].Err = io.ErrNoProgress
			errs = append(errs, changes[i].Err)
		}
	}
	return errors.Join(errs...)
}

// TestRefusedWait: the job is told, and nothing is left.
func TestRefusedWait(t *testing.T) {
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	pool, err := jobs.NewPool(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := run(refusing{}, pool); !errors.Is(err, io.ErrNoProgress) || pool.Live() != 0 {
		t.Errorf("run() = %v with %d jobs live, want io.ErrNoProgress, 0", err, pool.Live())
	}
}
