// Skips reads the output of `go test -json` and lists every test that was
// skipped, with its reason. It fails on a skip that the document given as
// argument does not name, on a failed test, on one that did not end, and on input
// without any test: a suite that skips itself or dies would look green otherwise.
//
// The document names a skip by a line under its heading "Skips":
//
//   - `poller/pollfd` `TestPoller/15_reuse`: why it is skipped
//
// The package is relative to the module; both names are exact, but for a `*`
// that stands for every test of a package. With a second argument, such as
// "Skips under qemu-user", the lines under that heading count too.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

const module = "bide/"

// event is what matters here of a line of `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build-fail
	Test       string
	Output     string
}

// test names a test of a package; the name is empty for the package itself.
type test struct{ pkg, name string }

type report struct {
	ran     int // tests that ended
	skipped []test
	failed  []test
	begun   map[test]bool // tests and packages that did not end
	output  map[test]string
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ./... | skips docs/backends.md [heading]")
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Args[1], os.Args[2:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "skips:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, document string, headings []string, out io.Writer) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	r, err := read(in)
	if err != nil {
		return err
	}
	return r.judge(allowed(string(text), append(headings, "Skips")), document, out)
}

// read collects the ends of tests and the output that explains them.
func read(in io.Reader) (*report, error) {
	r := &report{begun: make(map[test]bool), output: make(map[test]string)}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, fmt.Errorf("not the output of go test -json: %.100q", line)
			}
			r.add(e)
		}
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *report) add(e event) {
	t := test{strings.TrimPrefix(e.Package, module), e.Test}
	switch e.Action {
	case "run":
		r.begun[t], r.begun[test{pkg: t.pkg}] = true, true
	case "output":
		r.output[t] += e.Output
	case "pass":
		r.count(t)
	case "fail":
		r.count(t)
		r.failed = append(r.failed, t)
	case "build-output":
		r.output[test{pkg: e.ImportPath}] += e.Output
	case "build-fail":
		r.failed = append(r.failed, test{pkg: e.ImportPath})
	case "skip":
		if t.name != "" { // else the package has no test files
			r.count(t)
			r.skipped = append(r.skipped, t)
		}
	}
}

func (r *report) count(t test) {
	delete(r.begun, t)
	if t.name != "" {
		r.ran++
	}
}

// judge prints the skips and says what is wrong.
func (r *report) judge(named map[test]bool, document string, out io.Writer) error {
	unnamed := 0
	for _, t := range r.skipped {
		mark := ""
		if !named[t] && !named[test{t.pkg, "*"}] {
			unnamed++
			mark = "  NOT NAMED in " + document
		}
		fmt.Fprintf(out, "%s %s: %s%s\n", t.pkg, t.name, reason(r.output[t]), mark)
	}
	for _, t := range r.failed {
		fmt.Fprintf(out, "FAIL %s %s\n%s", t.pkg, t.name, r.output[t])
	}
	fmt.Fprintf(out, "%d tests, %d skipped, %d of them not named\n", r.ran, len(r.skipped), unnamed)
	switch {
	case len(r.failed) != 0:
		return errors.New("tests failed")
	case len(r.begun) != 0:
		return fmt.Errorf("did not end: %v", slices.Collect(maps.Keys(r.begun)))
	case r.ran == 0:
		return errors.New("no test ran")
	case unnamed != 0:
		return fmt.Errorf("%d skips are not named in %s", unnamed, document)
	}
	return nil
}

var (
	frame    = regexp.MustCompile(`^\s*(=== |--- )`)
	position = regexp.MustCompile(`^\s*\S+\.go:\d+: `)
)

// reason is what a test wrote before it skipped, without file and line.
func reason(output string) string {
	said := ""
	for line := range strings.Lines(output) {
		if !frame.MatchString(line) {
			said = strings.TrimSpace(position.ReplaceAllString(line, ""))
		}
	}
	if said == "" {
		return "no reason given"
	}
	return said
}

var item = regexp.MustCompile("^- `([^`]+)` `([^`]+)`: \\S")

// allowed returns the skips named under the headings.
func allowed(document string, headings []string) map[test]bool {
	named := make(map[test]bool)
	inside := false
	for line := range strings.Lines(document) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			inside = slices.Contains(headings, strings.TrimSpace(heading))
		} else if m := item.FindStringSubmatch(line); inside && m != nil {
			named[test{m[1], m[2]}] = true
		}
	}
	return named
}
