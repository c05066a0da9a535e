//go:build linux || darwin || freebsd

// Evio is a key-value server that speaks Redis's protocol, on an evio server
// with jobs.
//
//	go run ./examples/evio -listen 127.0.0.1:6380
//	redis-cli -p 6380 set greeting hello
//	redis-cli -p 6380 sleep 1000
//
// Each command is a job. PING, ECHO, SET, GET and DEL answer at once. SLEEP ms,
// READ, which waits for what FEED text writes to a pipe, and AWAIT text, which
// computes on another goroutine, pause, and other connections go on.
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
	"syscall"

	"github.com/tidwall/evio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout, func(net.Addr) {})
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "evio:", err)
		os.Exit(1)
	}
}

// run is the program: it serves until ctx is done. It calls ready once it
// listens.
func run(ctx context.Context, args []string, out io.Writer, ready func(net.Addr)) error {
	fs := flag.NewFlagSet("evio", flag.ContinueOnError)
	fs.SetOutput(out)
	listen := fs.String("listen", "127.0.0.1:6380", "`address` to accept connections on")
	pause := fs.Bool("pause", false, "each command that answers at once pauses its job before, to measure with")
	plain := fs.Bool("plain", false, "serve with evio alone, without jobs: slow commands are refused")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected arguments %q (see -help)", fs.Args())
	}
	listening := func(addrs []net.Addr) {
		fmt.Fprintf(out, "evio: %s\n", addrs[0])
		ready(addrs[0])
	}
	db, err := newStore()
	if err != nil {
		return err
	}
	defer db.close()
	if *plain {
		return servePlain(db, listening, "tcp://"+*listen)
	}
	return serve(ctx, db, *pause, listening, "tcp://"+*listen)
}

// servePlain is the same server without jobs: what those cost is measured
// against it.
func servePlain(db *store, listening func([]net.Addr), addr string) error {
	var out []byte // evio copies what it is given
	return evio.Serve(evio.Events{
		Serving: func(s evio.Server) evio.Action { listening(s.Addrs); return evio.None },
		Opened: func(c evio.Conn) (_ []byte, opts evio.Options, _ evio.Action) {
			opts.ReuseInputBuffer = true
			c.SetContext(new(evio.InputStream))
			return
		},
		Data: func(c evio.Conn, in []byte) ([]byte, evio.Action) {
			input := c.Context().(*evio.InputStream)
			rest := input.Begin(in)
			out = out[:0]
			for {
				args, n, err := parse(rest)
				if err != nil {
					return appendBroken(out, err), evio.Close
				}
				if n == 0 {
					break
				}
				rest = rest[n:]
				if len(args) > 0 {
					out = db.execute(out, args)
				}
			}
			input.End(rest)
			return out, evio.None
		},
	}, addr)
}
