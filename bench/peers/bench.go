package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// benchDir has the benchmarks of bide's own module.
const benchDir = ".."

// buildBench compiles the benchmarks into dir, with OpenSSL's beside them where
// there is libssl-dev, and returns the binary and the benchmarks' names.
func buildBench(dir string) (bin string, names []string, err error) {
	bin = filepath.Join(dir, "bench.test")
	if _, err = command(benchDir, "go", "test", "-c", "-tags", "openssl", "-o", bin, "."); err != nil {
		fmt.Fprintf(os.Stderr, "peers: nothing is compared with OpenSSL, which needs libssl-dev: %v\n", err)
		if _, err = command(benchDir, "go", "test", "-c", "-o", bin, "."); err != nil {
			return "", nil, err
		}
	}
	list, err := command(benchDir, bin, "-test.list", "^Benchmark")
	if err != nil {
		return "", nil, err
	}
	return bin, strings.Fields(list), nil
}

// runBench runs one benchmark once, and returns what it printed.
func runBench(bin, name string) ([]string, error) {
	cmd := exec.Command(bin, "-test.run", "^$", "-test.bench", "^"+name+"$", "-test.timeout", "10m")
	cmd.Dir = benchDir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "Benchmark") {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// side names one of those a benchmark compares: "Diff/waits=1", "openssl".
type side struct{ bench, name string }

// benchmarks are the results of runs of bench/, as bench/doc.go has them.
type benchmarks struct {
	sides  []side            // in the order they came
	units  map[side][]string // the same
	values map[side]map[string][]float64
}

// parseBench reads lines of the Go benchmark format.
func parseBench(lines []string) (*benchmarks, error) {
	b := &benchmarks{units: make(map[side][]string), values: make(map[side]map[string][]float64)}
	r := benchfmt.NewReader(bytes.NewReader([]byte(strings.Join(lines, "\n")+"\n")), "bench")
	for r.Scan() {
		res, ok := r.Result().(*benchfmt.Result)
		if !ok {
			return nil, fmt.Errorf("no benchmark: %v", r.Result())
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(res.Name.String(), "Benchmark"), "\t")
		if i := strings.LastIndexByte(name, '-'); i > 0 && digits(name[i+1:]) {
			name = name[:i] // GOMAXPROCS
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return nil, fmt.Errorf("benchmark %s does not say whom it measures", name)
		}
		b.add(side{name[:i], name[i+1:]}, res.Values)
	}
	return b, r.Err()
}

func (b *benchmarks) add(s side, values []benchfmt.Value) {
	if b.values[s] == nil {
		b.sides = append(b.sides, s)
		b.values[s] = make(map[string][]float64)
	}
	for _, v := range values {
		unit, value := v.Unit, v.Value
		if v.OrigUnit != "" { // nanoseconds, which the format has in seconds
			unit, value = v.OrigUnit, v.OrigValue
		}
		if len(b.values[s][unit]) == 0 {
			b.units[s] = append(b.units[s], unit)
		}
		b.values[s][unit] = append(b.values[s][unit], value)
	}
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// find returns the values of a side by unit. A benchmark that has its sizes in
// further names is found without them, if it has but one.
func (b *benchmarks) find(s side) map[string][]float64 {
	if v, ok := b.values[s]; ok {
		return v
	}
	var found map[string][]float64
	for k, v := range b.values {
		if k.name == s.name && strings.HasPrefix(k.bench, s.bench+"/") {
			if found != nil {
				return nil
			}
			found = v
		}
	}
	return found
}

// own is what a side's own value was.
func (b *benchmarks) own(s side, unit string) spread { return spreadOf(b.find(s)[unit]) }

// ratio is bide's value over a rival's: the median of the runs' medians, and the
// least and the greatest of all rounds.
func (b *benchmarks) ratio(rival side) spread {
	v := b.find(rival)
	if len(v["ratio"]) == 0 {
		return spread{}
	}
	return spread{median(v["ratio"]), spreadOf(v["ratio-min"]).least, spreadOf(v["ratio-max"]).most, len(v["ratio"])}
}
