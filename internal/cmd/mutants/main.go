// Mutants plants one-line faults and reports which of them no test notices.
//
// Each block of faults*.txt is a fault: the file, the text to replace, what with,
// and the test that has to turn red, in the file's package or the one named:
//
//	file: waitctx/diff.go
//	old: e.told = e.pending()
//	new: e.told = 0
//	test: ./waitctx TestAgainstModel
//
// Name the subtest, where there is one: it is all that runs. Each named test is
// run once without any fault first, and has to pass: one that fails anyhow
// would notice everything. Run it from the module's root. It works in a copy,
// and exits 1 on survivors.
package main

import (
	"embed"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed faults*.txt
var tables embed.FS

type fault struct{ file, old, new, pkg, test string }

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutants: ")
	faults, err := parseAll(tables, os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		log.Fatal(err)
	}
	survived, sound := 0, make(map[string]bool)
	for _, f := range faults {
		if !sound[f.pkg+" "+f.test] {
			if err := passes(dir, f); err != nil {
				log.Fatal(err)
			}
			sound[f.pkg+" "+f.test] = true
		}
		killed, err := try(dir, f)
		if err != nil {
			log.Fatal(err)
		}
		verdict := "killed  "
		if !killed {
			verdict = "SURVIVED"
			survived++
		}
		fmt.Printf("%s %s: %s -> %s (%s)\n", verdict, f.file, f.old, f.new, f.test)
	}
	fmt.Printf("%d faults, %d survived\n", len(faults), survived)
	if survived > 0 {
		os.RemoveAll(dir)
		os.Exit(1)
	}
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
		f := fault{file: fields["file"], old: fields["old"], new: fields["new"]}
		f.pkg, f.test, _ = strings.Cut(fields["test"], " ")
		if f.file == "" || f.old == "" || f.test == "" {
			return nil, fmt.Errorf("incomplete block:\n%s", block)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// try plants the fault in the copy, runs its test, and mends the copy.
func try(dir string, f fault) (killed bool, err error) {
	path := filepath.Join(dir, f.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if n := strings.Count(string(source), f.old); n != 1 {
		return false, fmt.Errorf("%s holds %q %d times, want once", f.file, f.old, n)
	}
	broken := strings.Replace(string(source), f.old, f.new, 1)
	if err := os.WriteFile(path, []byte(broken), 0o644); err != nil {
		return false, err
	}
	defer os.WriteFile(path, source, 0o644)
	out, err := run(dir, f)
	if strings.Contains(out, "[build failed]") {
		return false, fmt.Errorf("%s: the fault %q does not compile: %s", f.file, f.new, out)
	}
	return err != nil, nil
}

// passes says whether the test is there, and passes without the fault.
func passes(dir string, f fault) error {
	out, err := run(dir, f)
	if err != nil {
		return fmt.Errorf("%s %s fails without a fault: %s", f.pkg, f.test, out)
	}
	if !strings.Contains(out, "--- PASS: "+f.test+" (") {
		return fmt.Errorf("%s has no test %s, or skips it: %s", f.pkg, f.test, out)
	}
	return nil
}

// run runs the test of a fault.
func run(dir string, f fault) (string, error) {
	names := strings.Split(f.test, "/")
	for i, name := range names {
		names[i] = "^" + regexp.QuoteMeta(name) + "$"
	}
	test := exec.Command("go", "test", "-v", "-vet=off", "-count=1", "-timeout=60s", "-run", strings.Join(names, "/"), f.pkg)
	test.Dir = dir
	out, err := test.CombinedOutput()
	return string(out), err
}
