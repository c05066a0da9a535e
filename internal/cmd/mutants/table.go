package main

import (
	"fmt"
	"io/fs"
	"strings"
)

// fault is a block of a table.
type fault struct {
	file, old, new string
	named
	hangs string // why the test does not end, if it does not
}

// named is the test that has to notice a fault.
type named struct{ pkg, test string }

func (f fault) String() string {
	return fmt.Sprintf("%s: %s -> %s (%s)", f.file, f.old, f.new, f.test)
}

// parseAll reads the named tables, or all in the order of their names.
func parseAll(tables fs.FS, names []string) ([]fault, error) {
	if len(names) == 0 {
		var err error
		if names, err = fs.Glob(tables, "*"); err != nil {
			return nil, err
		}
	}
	var all []fault
	for _, name := range names {
		table, err := fs.ReadFile(tables, name)
		if err != nil {
			return nil, err
		}
		faults, err := parse(string(table))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, faults...)
	}
	return all, nil
}

// parse reads a table.
func parse(table string) ([]fault, error) {
	var faults []fault
	for block := range strings.SplitSeq(strings.TrimSpace(table), "\n\n") {
		fields := make(map[string]string)
		for line := range strings.SplitSeq(block, "\n") {
			key, value, ok := strings.Cut(line, ": ")
			if !ok {
				key = strings.TrimSuffix(line, ":") // nothing takes the old text's place
			}
			fields[key] = value
		}
		f := fault{file: fields["file"], old: fields["old"], new: fields["new"], hangs: fields["hangs"]}
		f.pkg, f.test, _ = strings.Cut(fields["test"], " ")
		if f.file == "" || f.old == "" || f.test == "" {
			return nil, fmt.Errorf("incomplete block:\n%s", block)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// plant returns the source with the fault in it.
func (f fault) plant(source string) (string, error) {
	if n := strings.Count(source, f.old); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, want once", f.file, f.old, n)
	}
	return strings.Replace(source, f.old, f.new, 1), nil
}
