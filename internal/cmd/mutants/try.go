package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// limit is how long a named test may take, as -test.timeout has it. One that is
// said to hang gets no more than short and ten times what it takes unbroken.
var (
	limit = time.Minute
	short = 5 * time.Second
)

// outcome is what became of a fault.
type outcome struct {
	noticed bool
	hung    bool // which is noticed if the table says why
	took    time.Duration
}

func (o outcome) String() string {
	switch {
	case o.hung && !o.noticed:
		return "HANGS, why?"
	case o.hung:
		return "hung    "
	case o.noticed:
		return "killed  "
	}
	return "SURVIVED"
}

// passUnbroken runs each named test without a fault, and returns how long each
// took. A package is built once.
func passUnbroken(dir string, faults []fault, atOnce int) (map[named]time.Duration, error) {
	binaries := make(map[string]string)
	var all []named
	for _, f := range faults {
		if _, ok := binaries[f.pkg]; !ok {
			bin := filepath.Join(dir, fmt.Sprintf("unbroken%d.test", len(binaries)))
			if out, err := build(bin, f.pkg); err != nil {
				return nil, fmt.Errorf("%s does not compile: %w\n%s", f.pkg, err, out)
			}
			binaries[f.pkg] = bin
		}
		if !slices.Contains(all, f.named) {
			all = append(all, f.named)
		}
	}
	took := make(map[named]time.Duration)
	err := inOrder(len(all), atOnce, func(i int) (time.Duration, error) {
		return all[i].passes(binaries[all[i].pkg])
	}, func(i int, d time.Duration) { took[all[i]] = d })
	return took, err
}

// passes says whether the test is there, and passes without a fault.
func (n named) passes(bin string) (time.Duration, error) {
	start := time.Now()
	out, err := n.run(bin, limit)
	if err != nil {
		return 0, fmt.Errorf("%s %s fails without a fault: %s", n.pkg, n.test, out)
	}
	if !strings.Contains(out, "--- PASS: "+n.test+" (") {
		return 0, fmt.Errorf("%s has no test %s, or skips it: %s", n.pkg, n.test, out)
	}
	return time.Since(start), nil
}

// try builds the i-th fault into its test, and runs that so many times, or until
// it does not notice. Unbroken it took so long.
func (f fault) try(dir string, i, times int, unbroken time.Duration) (outcome, error) {
	start := time.Now()
	source, err := os.ReadFile(f.file)
	if err != nil {
		return outcome{}, err
	}
	broken, err := f.plant(string(source))
	if err != nil {
		return outcome{}, err
	}
	overlay, err := writeOverlay(filepath.Join(dir, fmt.Sprint(i)), f.file, broken)
	if err != nil {
		return outcome{}, err
	}
	bin := filepath.Join(dir, fmt.Sprintf("%d.test", i))
	defer os.Remove(bin)
	if out, err := build(bin, f.pkg, "-overlay", overlay); err != nil {
		return outcome{}, fmt.Errorf("%s: the fault %q does not compile: %s", f.file, f.new, out)
	}
	timeout := limit
	if f.hangs != "" {
		timeout = min(timeout, short+10*unbroken)
	}
	o := outcome{noticed: true}
	for n := 0; n < times && o.noticed; n++ {
		if o, err = f.notices(bin, timeout); err != nil {
			return outcome{}, err
		}
	}
	o.took = time.Since(start)
	return o, nil
}

// notices runs the broken test once.
func (f fault) notices(bin string, timeout time.Duration) (outcome, error) {
	out, err := f.run(bin, timeout)
	hung := strings.Contains(out, "panic: test timed out after") || errors.Is(err, context.DeadlineExceeded)
	if exit := new(exec.ExitError); err != nil && !hung && !errors.As(err, &exit) {
		return outcome{}, fmt.Errorf("%s: the test did not run: %w", f, err)
	}
	return outcome{noticed: err != nil && (!hung || f.hangs != ""), hung: hung}, nil
}

// writeOverlay writes what -overlay of go build wants to put text in the place
// of a file's, and returns its name.
func writeOverlay(name, file, text string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(name+".go", []byte(text), 0o666); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {abs: name + ".go"}})
	if err != nil {
		return "", err
	}
	return name + ".json", os.WriteFile(name+".json", b, 0o666)
}

// build compiles the tests of a package, without symbols: linking takes most of
// the time.
func build(bin, pkg string, flags ...string) (string, error) {
	args := append([]string{"test", "-c", "-ldflags=-s -w", "-o", bin}, flags...)
	out, err := exec.Command("go", append(args, pkg)...).CombinedOutput()
	return string(out), err
}

// run runs the test in the directory that go test would. One that does not even
// mind its own timeout is ended soon after.
func (n named) run(bin string, timeout time.Duration) (string, error) {
	names := strings.Split(n.test, "/")
	for i, name := range names {
		names[i] = "^" + regexp.QuoteMeta(name) + "$"
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout+10*time.Second)
	defer cancel()
	test := exec.CommandContext(ctx, bin, "-test.v", "-test.failfast", "-test.timeout="+timeout.String(), "-test.run", strings.Join(names, "/"))
	test.Dir = filepath.FromSlash(n.pkg)
	out, err := test.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}
