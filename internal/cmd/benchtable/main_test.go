package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const output = `goos: linux
pkg: bide/poller/epoll
cpu: A processor
BenchmarkPoller/changes/fds=100-2   	 5	 2796943 ns/op	 300.0 ns/add	 200.0 ns/delete	 100.0 ns/modify	 0 B/op	 0 allocs/op
BenchmarkPoller/wake-2   	 5	 1577 ns/op
BenchmarkWait/fds=1-2   	 5	 999 ns/op
PASS
ok  	bide/poller/epoll	0.478s
pkg: bide/poller/pollfd
BenchmarkPoller/wake-2   	 5	 1387 ns/op
BenchmarkPoller/timer/1ms-2   	 5	 1467974 ns/op	 467717 ns-late/op
pkg: bide/poller/epoll
BenchmarkPoller/wake-2   	 5	 1579 ns/op
BenchmarkPoller/wake-2   	 5	 1600 ns/op
`

// TestTable: medians over the runs, a column for each backend, and nothing
// outside the marks is touched.
func TestTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backends.md")
	if err := os.WriteFile(file, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := run(strings.NewReader(output), []string{file}, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{
		"before\n" + begin + "Nanoseconds", "A processor", end + "after\n",
		"| | epoll | pollfd |\n|---|---|---|\n",
		"| add, in batches of 100 | 300 (300-300) | |\n",
		"| modify, in batches of 100 | 100 (100-100) | |\n",
		"| delete, in batches of 100 | 200 (200-200) | |\n",
		"| Wake and the Wait it ends | 1579 (1577-1600) | 1387 (1387-1387) |\n",
		"| lateness of a timeout of 1ms, in µs | | 468 (468-468) |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the document has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "old") || strings.Contains(got, "999") {
		t.Errorf("the document has what does not belong there:\n%s", got)
	}
}

// TestRefused: half a table is none, and a document has to have its marks.
func TestRefused(t *testing.T) {
	unmarked := filepath.Join(t.TempDir(), "unmarked.md")
	if err := os.WriteFile(unmarked, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in, want string
		document []string
	}{
		{"", "no BenchmarkPoller", nil},
		{output + "--- FAIL: BenchmarkPoller/wake\n", "failed", nil},
		{output + "FAIL\tbide/poller/epoll\n", "failed", nil},
		{output + "BenchmarkPoller/wake-2 5 x ns/op\n", "invalid syntax", nil},
		{output, "has no lines", []string{unmarked}},
	} {
		if err := run(strings.NewReader(c.in), c.document, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("run = %v, want an error with %q", err, c.want)
		}
	}
}
