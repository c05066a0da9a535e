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
// would notice everything.
//
// A test that does not end is stopped, and counts as red only if the block says
// what makes it hang; else it may be the machine that is slow:
//
//	hangs: nobody is left to wake the loop
//
// Run it from the module's root, with the names of tables to plant only theirs.
// The source stays as it is: the compiler is handed the broken file in place of
// the other. Several faults are tried at a time, as many tests of a broken
// package wait for what does not come. It exits 1 on survivors, and names them
// once more at the end.
//
// Flag -times runs the test of each fault so many times, all of which have to be
// red: it finds the test that notices by chance, best on a busy machine.
package main

import (
	"embed"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"time"
)

//go:embed faults*.txt
var tables embed.FS

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutants: ")
	atOnce := flag.Int("p", runtime.NumCPU()+1, "`faults` tried at a time")
	times := flag.Int("times", 1, "runs of each broken test, `n` of n have to notice")
	flag.Parse()
	faults, err := parseAll(tables, flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	if err := run(faults, max(1, *atOnce), max(1, *times)); err != nil {
		log.Fatal(err)
	}
}

// run tries all faults, atOnce at a time and each so many times, and fails on
// survivors.
func run(faults []fault, atOnce, times int) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	var survivors []string
	unbroken, err := passUnbroken(dir, faults, atOnce)
	if err != nil {
		return err
	}
	try := func(i int) (outcome, error) { return faults[i].try(dir, i, times, unbroken[faults[i].named]) }
	err = inOrder(len(faults), atOnce, try, func(i int, o outcome) {
		if !o.noticed {
			survivors = append(survivors, faults[i].String())
		}
		fmt.Printf("%v %s (%.1f s)\n", o, faults[i], o.took.Seconds())
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d faults, %d survived, %.0f s\n", len(faults), len(survivors), time.Since(start).Seconds())
	if len(survivors) > 0 {
		return fmt.Errorf("%d faults survived:\n%s", len(survivors), strings.Join(survivors, "\n"))
	}
	return nil
}

// inOrder does n pieces of work, atOnce at a time, and reports each in its turn.
// It ends at the first error.
func inOrder[T any](n, atOnce int, work func(int) (T, error), report func(int, T)) error {
	type done struct {
		value T
		err   error
	}
	results, room, stop := make([]chan done, n), make(chan struct{}, atOnce), make(chan struct{})
	for i := range results {
		results[i] = make(chan done, 1)
	}
	go func() {
		for i := range n {
			select {
			case room <- struct{}{}:
			case <-stop:
				return
			}
			go func() {
				value, err := work(i)
				<-room
				results[i] <- done{value, err}
			}()
		}
	}()
	defer close(stop)
	for i, c := range results {
		d := <-c
		if d.err != nil {
			return d.err
		}
		report(i, d.value)
	}
	return nil
}
