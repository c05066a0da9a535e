//go:build openssl && linux

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPagesC compiles the C of the page, and has it print what the manual says.
func TestPagesC(t *testing.T) {
	const want = `Starting...
Executing within a job
Passed in message is: Hello world!
Job was paused
Waiting for the job to be woken up
Resumed the job after a pause
Job finished with return value 1
Finishing
`
	program := filepath.Join(t.TempDir(), "program")
	cc := exec.Command("cc", "-Wall", "-Wno-unused-result", "-Werror", "-o", program, "-xc", "-", "-lcrypto")
	cc.Stdin = strings.NewReader(strings.Join(blocks(t, "c"), "\n"))
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	got, err := exec.Command(program).Output()
	if err != nil || string(got) != want {
		t.Errorf("the program ends with %v and prints:\n%s", err, got)
	}
}
