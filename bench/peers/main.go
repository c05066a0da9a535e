package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	out, raw, charts, from string

	only    []string // parts
	rounds  int
	conns   []int
	idle    int
	time    time.Duration
	servers []*server
	cores   [2]int // of the server, of the load
}

func main() {
	o, err := parseFlags(os.Args[1:], os.Stdout)
	if err == nil {
		err = run(o)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run measures, or reads what was measured before, and reports.
func run(o *options) error {
	r, err := o.record()
	if err != nil {
		if r != nil && r.count() > 0 && o.raw != "" && r.write(o.raw) == nil {
			err = fmt.Errorf("%w; what was measured before is in %s", err, o.raw)
		}
		return err
	}
	if o.raw != "" {
		if err := r.write(o.raw); err != nil {
			return err
		}
	}
	if o.charts != "" {
		if err := r.charts(o.charts); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	if err := r.report(&text); err != nil {
		return err
	}
	if o.charts != "" {
		r.linkCharts(&text, filepath.Dir(o.out), o.charts)
	}
	if o.out == "" {
		_, err := os.Stdout.Write(text.Bytes())
		return err
	}
	return os.WriteFile(o.out, text.Bytes(), 0o666)
}

// record is what there is to report. With an error comes what was measured before
// it, if anything.
func (o *options) record() (r *record, err error) {
	if o.from != "" {
		r, err = readRecord(o.from)
	} else {
		r, err = o.measure()
	}
	if err != nil {
		return r, err
	}
	return r, r.parse()
}

func parseFlags(args []string, out io.Writer) (*options, error) {
	o := new(options)
	var conns, names, cores, only string
	fs := flag.NewFlagSet("peers", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are ours to print
	fs.StringVar(&o.out, "out", "", "`file` for the report (default standard output)")
	fs.StringVar(&o.raw, "json", "", "`file` for every single result")
	fs.StringVar(&o.charts, "charts", "", "`directory` for charts")
	fs.StringVar(&o.from, "from", "", "`file` that -json wrote, to report instead of measuring")
	fs.StringVar(&only, "only", strings.Join(parts, ","), "`parts` to measure; open-loop needs saturation")
	fs.IntVar(&o.rounds, "rounds", 6, "rounds; with fewer than 6 the confidence intervals of bench/ are unbounded")
	fs.StringVar(&conns, "conns", "1,100,1000,10000", "`numbers` of connections")
	fs.IntVar(&o.idle, "idle", 10000, "connections to measure memory with")
	fs.DurationVar(&o.time, "time", time.Second, "how long each server is measured for in a round")
	fs.StringVar(&names, "servers", strings.Join(serverNames(), ","), "`names` of servers; the first is what the others are compared with")
	fs.StringVar(&cores, "cores", "0,1", "`numbers` of the server's core and the load's")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(out, "Usage: peers [flags]\n\nMeasures bide beside its rivals.\n\nFlags:")
			fs.SetOutput(out)
			fs.PrintDefaults()
			return nil, err
		}
		return nil, fmt.Errorf("%w (see -help)", err)
	}
	var err error
	if o.conns, err = numbers(conns); err != nil {
		return nil, fmt.Errorf("-conns: %w", err)
	}
	c, err := numbers(cores)
	if err != nil || len(c) != 2 {
		return nil, fmt.Errorf("-cores %s: need two numbers", cores)
	}
	o.cores = [2]int{c[0], c[1]}
	for part := range strings.SplitSeq(only, ",") {
		if !slices.Contains(parts, part) {
			return nil, fmt.Errorf("-only: %q is none of %s", part, strings.Join(parts, ", "))
		}
		o.only = append(o.only, part)
	}
	if slices.Contains(o.only, partOpenLoop) && !slices.Contains(o.only, partSaturation) {
		return nil, errors.New("-only: the rate of open-loop follows from saturation")
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(servers, func(s *server) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-servers: %q is none of %s", name, strings.Join(serverNames(), ", "))
		}
		o.servers = append(o.servers, servers[i])
	}
	if o.rounds < 1 || o.time <= 0 || o.idle < 1 || fs.NArg() > 0 {
		return nil, errors.New("-rounds, -time and -idle need to be positive, and nothing follows the flags")
	}
	return o, nil
}

func numbers(list string) ([]int, error) {
	var all []int
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		all = append(all, n)
	}
	return all, nil
}

// command runs a program to its end and returns what it printed.
func command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
