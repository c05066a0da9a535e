package main

import (
	"io"
	"strings"
	"testing"
)

const document = "# Backends\n\n- `a` `TestElsewhere`: not under the heading\n\n" +
	"## Skips\n\n- `a` `TestNamed/x`: why\n- `a` `TestBare`\n\n## Limits\n\n- `a` `TestLater`: no\n" +
	"## Skips elsewhere\n\n- `b` `*`: why\n"

func line(action, name, output string) string {
	return `{"Action":"` + action + `","Package":"bide/a","Test":"` + name + `","Output":"` + output + `"}` + "\n"
}

func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string // part of the error, or nothing
	}{
		{"pass", line("pass", "TestA", ""), ""},
		{"a named skip", line("skip", "TestNamed/x", ""), ""},
		{"an unnamed skip", line("skip", "TestNamed", ""), "1 skips are not named"},
		{"named without a reason", line("skip", "TestBare", ""), "1 skips are not named"},
		{"named before the heading", line("skip", "TestElsewhere", ""), "1 skips are not named"},
		{"named after the section", line("skip", "TestLater", ""), "1 skips are not named"},
		{"a failure", line("fail", "TestA", ""), "tests failed"},
		{"a failed package", line("pass", "TestA", "") + line("fail", "", ""), "tests failed"},
		{"a failed build", line("pass", "TestA", "") + `{"Action":"build-fail","ImportPath":"bide/b"}`, "tests failed"},
		{"all of it", line("run", "TestA", "") + line("pass", "TestA", "") + line("pass", "", ""), ""},
		{"died in a test", line("run", "TestA", ""), "did not end"},
		{"died between tests", line("run", "TestA", "") + line("pass", "TestA", ""), "did not end"},
		{"only packages without tests", line("skip", "", ""), "no test ran"},
		{"nothing", "", "no test ran"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := read(strings.NewReader(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			err = r.judge(allowed(document, []string{"Skips"}), "doc.md", io.Discard)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("judge() = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSkipsUnderAnotherHeading(t *testing.T) {
	whole := strings.ReplaceAll(line("skip", "TestAny", ""), "bide/a", "bide/b")
	for _, tc := range []struct {
		in       string
		headings []string
		named    bool
	}{
		{whole, []string{"Skips elsewhere", "Skips"}, true},
		{whole, []string{"Skips"}, false},
		{line("skip", "TestNamed/x", ""), []string{"Skips elsewhere", "Skips"}, true},
		{line("skip", "TestOther", ""), []string{"Skips elsewhere", "Skips"}, false},
	} {
		r, err := read(strings.NewReader(tc.in))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.judge(allowed(document, tc.headings), "doc.md", io.Discard); (err == nil) != tc.named {
			t.Errorf("judge(%s) with headings %q = %v, want it named: %v", tc.in, tc.headings, err, tc.named)
		}
	}
}

func TestInputOfAnotherKind(t *testing.T) {
	if _, err := read(strings.NewReader("ok  \tbide/a\t0.1s\n")); err == nil {
		t.Error("read() of plain go test output = nil, want an error")
	}
}

func TestReason(t *testing.T) {
	for output, want := range map[string]string{
		"=== RUN   TestA\n    a_test.go:12: needs root\n--- SKIP: TestA (0.00s)\n": "needs root",
		"=== RUN   TestA\n--- SKIP: TestA (0.00s)\n":                               "no reason given",
	} {
		if got := reason(output); got != want {
			t.Errorf("reason() = %q, want %q", got, want)
		}
	}
}
