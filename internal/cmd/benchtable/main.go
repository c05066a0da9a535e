// Benchtable reads what `go test -bench` prints for BenchmarkPoller of several
// backends, as often as it was run, and prints a table with a column for each:
// medians, and in brackets the least and the greatest.
//
// With a document as argument it puts the table there, between the lines
//
//	<!-- make bench-backends -->
//	<!-- end -->
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	begin = "<!-- make bench-backends -->\n"
	end   = "<!-- end -->\n"
)

// row is a line of the table: a metric of benchmarks, and how it is named.
type row struct {
	prefix, unit string // of the benchmark, of its metric
	label        string // %s is the rest of the benchmark's name
	scale        float64
}

var rows = []row{
	{"changes/fds=", "ns/add", "add, in batches of %s", 1},
	{"changes/fds=", "ns/modify", "modify, in batches of %s", 1},
	{"changes/fds=", "ns/delete", "delete, in batches of %s", 1},
	{"wake", "ns/op", "Wake and the Wait it ends%s", 1},
	{"wait/fds=", "ns/op", "Wait, one ready of %s", 1},
	{"timer/", "ns-late/op", "lateness of a timeout of %s, in µs", 1e-3},
}

// results are what was read.
type results struct {
	cpu      string
	backends []string                // in the order they came
	names    []string                // of benchmarks, the same
	values   map[[3]string][]float64 // by backend, benchmark, unit
}

func main() {
	if len(os.Args) > 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -run '^$' -bench Poller ./poller/... | benchtable [document]")
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, document []string, out io.Writer) error {
	r, err := read(in)
	if err != nil {
		return err
	}
	var table bytes.Buffer
	r.table(&table)
	if len(document) == 0 {
		_, err := out.Write(table.Bytes())
		return err
	}
	text, err := os.ReadFile(document[0])
	if err != nil {
		return err
	}
	filled, err := fill(string(text), table.String())
	if err != nil {
		return fmt.Errorf("%s: %w", document[0], err)
	}
	return os.WriteFile(document[0], []byte(filled), 0o666)
}

// read collects the lines "BenchmarkPoller/NAME-P N VALUE UNIT ...". A line that
// says FAIL ends it: half of a table is none.
func read(in io.Reader) (*results, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	r := &results{values: make(map[[3]string][]float64)}
	backend := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch key, value, _ := strings.Cut(line, ": "); {
		case key == "cpu":
			r.cpu = value
		case key == "pkg":
			backend = path.Base(value)
		case strings.HasPrefix(line, "FAIL"), strings.HasPrefix(line, "--- FAIL"):
			return nil, fmt.Errorf("a benchmark failed: %s", line)
		case strings.HasPrefix(line, "BenchmarkPoller/"):
			if err := r.add(backend, strings.TrimPrefix(line, "BenchmarkPoller/")); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
		}
	}
	if len(r.values) == 0 {
		return nil, errors.New("no BenchmarkPoller in the input")
	}
	return r, nil
}

func (r *results) add(backend, line string) error {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 {
		return errors.New("no line of go test -bench")
	}
	name := fields[0]
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i] // GOMAXPROCS
	}
	if !slices.Contains(r.backends, backend) {
		r.backends = append(r.backends, backend)
	}
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
	for i := 2; i < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return err
		}
		key := [3]string{backend, name, fields[i+1]}
		r.values[key] = append(r.values[key], value)
	}
	return nil
}

// table writes the results, and what they were measured on.
func (r *results) table(w io.Writer) {
	fmt.Fprintf(w, "Nanoseconds, unless it says otherwise: the median, with the least and the greatest. %s, %s.\n\n", r.cpu, system())
	fmt.Fprintf(w, "| | %s |\n|---|%s\n", strings.Join(r.backends, " | "), strings.Repeat("---|", len(r.backends)))
	for _, row := range rows {
		for _, name := range r.names {
			if rest, ok := strings.CutPrefix(name, row.prefix); ok {
				r.line(w, name, row, fmt.Sprintf(row.label, rest))
			}
		}
	}
}

func (r *results) line(w io.Writer, name string, row row, label string) {
	fmt.Fprintf(w, "| %s |", label)
	for _, backend := range r.backends {
		v := slices.Sorted(slices.Values(r.values[[3]string{backend, name, row.unit}]))
		if n := len(v); n == 0 {
			fmt.Fprint(w, " |")
		} else {
			fmt.Fprintf(w, " %.0f (%.0f-%.0f) |", (v[(n-1)/2]+v[n/2])/2*row.scale, v[0]*row.scale, v[n-1]*row.scale)
		}
	}
	fmt.Fprintln(w)
}

// fill puts the table between the marks.
func fill(text, table string) (string, error) {
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("has no lines %q and %q", begin, end)
	}
	return before + begin + table + end + after, nil
}
