// Tlsproxy terminates TLS and carries the bytes both ways to a TCP backend.
//
//	go run ./examples/tlsproxy
//
// With no flag it makes a certificate and an HTTP backend of its own, and
// prints a curl line to try; -help lists the flags.
//
// Every loop has a scheduler and a listener of its own. A connection's
// handshake is a job, which pauses where it would block. Afterwards each
// direction is a Watch: readiness starts a pooled job, which copies until there
// is nothing left to read, and returns. So a connection at rest owns no
// goroutine, no coroutine and no buffer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	collectEarly()
	err := run(untilSignal(), os.Args[1:], os.Stdout, func(*proxy) {})
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "tlsproxy:", err)
		os.Exit(1)
	}
}

// untilSignal is done at the first signal. The second ends the process at once, with
// the status that a shell gives to one which a signal has ended; left to itself, the
// signal might be ignored, as in the background of a script.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		second := <-signals
		fmt.Fprintf(os.Stderr, "tlsproxy: %v: ended at once\n", second)
		os.Exit(128 + int(second.(syscall.Signal)))
	}()
	return ctx
}

// run is the program: it serves until ctx is done, then drains. It calls ready
// once every listener listens. Its error is one line.
func run(ctx context.Context, args []string, out io.Writer, ready func(*proxy)) (err error) {
	o, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	cert, err := loadCertificate(o.cert, o.key)
	if err != nil {
		return err
	}
	if o.backend == "" {
		b, err := startBackend()
		if err != nil {
			return err
		}
		defer b.Close()
		o.backend = b.addr
	}
	p, err := newProxy(o, cert)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	admin, err := p.startAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	defer p.startTrimming()()

	fmt.Fprintf(out, "tlsproxy: %s to %s, %d loops\n", p.addr, o.backend, len(p.loops))
	if o.demo {
		fmt.Fprintf(out, "try: curl -k https://%s/\n", p.addr)
	}
	ready(p)
	return p.serve(ctx)
}
