package jobs_test

import (
	"os"
	"strings"
	"testing"
)

// The README's program is the body of ExampleScheduler.
func TestReadmeShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(readme), "```go\n")
	block, _, ok2 := strings.Cut(block, "```")
	_, body, ok3 := strings.Cut(string(source), "func ExampleScheduler() {\n")
	body, _, ok4 := strings.Cut(body, "\t// Output:")
	if !ok || !ok2 || !ok3 || !ok4 {
		t.Fatal("README.md has no Go block, or example_test.go no ExampleScheduler")
	}
	body = strings.TrimPrefix(strings.ReplaceAll("\n"+body, "\n\t", "\n"), "\n")
	if body != block {
		t.Errorf("README.md and ExampleScheduler differ:\n%s\n---\n%s", block, body)
	}
}
