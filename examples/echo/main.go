// Echo sends back what it is sent.
//
//	go run ./examples/echo
//
// Each connection is a job that reads and writes as if it blocked, and pauses
// when there is nothing to read. With -stackless a connection at rest is a
// registration alone, and a job is started when there is something to read.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"bide/jobs"
	"bide/jobs/jobnet"
	"bide/poller"
)

// options are the flags.
type options struct {
	listen    string
	poller    string
	loops     int
	stackless bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout, func(*server) {})
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run is the program: it serves until ctx is done. It calls ready once every
// loop listens. Its error is one line.
func run(ctx context.Context, args []string, out io.Writer, ready func(*server)) error {
	o, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	group, err := jobs.NewGroup(o.loops, jobs.WithBackend(o.poller))
	if err != nil {
		return fmt.Errorf("-loops %d: %w", o.loops, err)
	}
	defer group.Close() // ends the jobs and closes the connections
	s := &server{addr: o.listen, stackless: o.stackless, out: out}
	if err := s.listen(group); err != nil {
		return err
	}
	fmt.Fprintf(out, "echo: %s, %d loops\n", s.addr, o.loops)
	ready(s)
	if err := group.Run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// parseFlags returns the options that args ask for. Its error is one line, and
// flag.ErrHelp after the usage was printed.
func parseFlags(args []string, out io.Writer) (*options, error) {
	o := new(options)
	backends := strings.Join(poller.Backends(), ", ")
	fs := flag.NewFlagSet("echo", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are ours to print
	fs.StringVar(&o.listen, "listen", "127.0.0.1:7000", "`address` to accept connections on")
	fs.StringVar(&o.poller, "poller", "", "poller `name`: "+backends+" (default the first)")
	fs.IntVar(&o.loops, "loops", runtime.GOMAXPROCS(0), "event loops; one a core")
	fs.BoolVar(&o.stackless, "stackless", false, "start a job when there is something to read, instead of pausing one")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(out, "Usage: echo [flags]\n\nSends back what it is sent, until SIGTERM or an interrupt.\n\nFlags:")
			fs.SetOutput(out)
			fs.PrintDefaults()
			return nil, err
		}
		return nil, fmt.Errorf("%w (see -help)", err)
	}
	switch _, _, err := net.SplitHostPort(o.listen); {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q (see -help)", fs.Arg(0))
	case err != nil:
		return nil, fmt.Errorf("-listen: %w", err)
	case o.loops < 1:
		return nil, fmt.Errorf("-loops %d: need at least 1", o.loops)
	case o.poller != "" && !slices.Contains(poller.Backends(), o.poller):
		_, err := poller.New(poller.WithBackend(o.poller)) // says why not
		return nil, fmt.Errorf("-poller %q: %w", o.poller, err)
	}
	return o, nil
}

// listen gives each loop a listener of its own, over which the kernel spreads
// the connections.
func (s *server) listen(group *jobs.Group) error {
	var opts []jobnet.Option
	n := len(group.Schedulers())
	if n > 1 {
		// Listeners that share their port share it with other processes too, and
		// would not report that it is in use.
		l, err := net.Listen("tcp", s.addr)
		if err != nil {
			return fmt.Errorf("-listen: %w", err)
		}
		l.Close()
		opts = append(opts, jobnet.ReusePort())
	}
	for _, loop := range group.Schedulers() {
		l, err := jobnet.Listen(loop, "tcp", s.addr, opts...)
		switch {
		case err == nil:
		case n > 1: // the address has been tried
			return fmt.Errorf("-loops %d: %w", n, err)
		default:
			return fmt.Errorf("-listen: %w", err)
		}
		s.addr = l.Addr().String() // the port, if it was for the system to choose
		loop.Go(func(j jobs.Job) error { return s.accept(j, l) })
	}
	return nil
}
