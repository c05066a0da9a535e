package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"bide/poller"
)

// options are the flags.
type options struct {
	listen, backend, admin string
	cert, key              string
	poller                 string
	loops, signers         int
	maxConns               int
	handshakeTimeout       time.Duration
	idleTimeout            time.Duration
	drainTimeout           time.Duration

	demo bool // no backend given: use one of our own
}

const maxSigners = 10_000

const usage = `Usage: tlsproxy [flags]

Terminates TLS and carries the bytes both ways to a TCP backend. With no flag it
makes a certificate and an HTTP backend of its own.

SIGTERM or an interrupt drains: no more connections are accepted, and those
there are may finish. The exit status is 0 if all of them did, 1 otherwise.
Clients that wait because of -max-conns are reset. A second signal ends the
process at once, with status 128 and the signal's number.

After a burst of traffic, once no connection has done anything for a second, the
memory that the burst needed is given back to the system.

Flags:
`

// parseFlags returns the options that args ask for. Its error is one line, and
// flag.ErrHelp after the usage was printed.
func parseFlags(args []string, out io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("tlsproxy", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are ours to print
	fs.StringVar(&o.listen, "listen", "127.0.0.1:8443", "`address` to accept TLS connections on; of two proxies that are started in the same moment, both may have it")
	fs.StringVar(&o.backend, "backend", "", "`address` to carry them to (default a small HTTP server of its own)")
	fs.StringVar(&o.cert, "cert", "", "PEM `file` with the certificate chain (default self-signed, in memory)")
	fs.StringVar(&o.key, "key", "", "PEM `file` with the private key")
	fs.IntVar(&o.loops, "loops", runtime.GOMAXPROCS(0), "event loops; one a core")
	fs.IntVar(&o.signers, "signers", 0, "goroutines for private-key work, at least one a loop; 0: sign on the loop")
	fs.StringVar(&o.poller, "poller", "", "poller `name`: "+strings.Join(poller.Backends(), ", ")+" (default the first)")
	fs.DurationVar(&o.handshakeTimeout, "handshake-timeout", 10*time.Second, "limit for the first bytes, and again for the handshake and the dial of the backend; 0: none")
	fs.DurationVar(&o.idleTimeout, "idle-timeout", 0, "close connections that carried nothing for so long; 0: never")
	fs.DurationVar(&o.drainTimeout, "drain-timeout", 30*time.Second, "limit for connections to finish after SIGTERM")
	fs.IntVar(&o.maxConns, "max-conns", 0, "connections at a time, others wait to be accepted; 0: no limit")
	fs.StringVar(&o.admin, "admin", "", "`address` to serve /status and /status.json on (default none)")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			fs.SetOutput(out)
			fs.PrintDefaults()
			return nil, err
		}
		return nil, fmt.Errorf("%w (see -help)", err)
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q (see -help)", fs.Arg(0))
	}
	o.demo = o.backend == ""
	return o, o.check()
}

// check names the first flag whose value makes no sense.
func (o *options) check() error {
	if strings.HasPrefix(o.backend, "unix:") || strings.Contains(o.backend, "/") {
		return fmt.Errorf("-backend %s: a Unix socket is not supported, only host:port", o.backend)
	}
	for _, a := range []struct{ flag, addr string }{
		{"listen", o.listen}, {"backend", o.backend}, {"admin", o.admin},
	} {
		if a.addr == "" && a.flag != "listen" {
			continue
		}
		_, port, err := net.SplitHostPort(a.addr)
		if err != nil {
			return fmt.Errorf("-%s: %w", a.flag, err)
		}
		number, err := net.LookupPort("tcp", port)
		if err != nil {
			return fmt.Errorf("-%s %s: %w", a.flag, a.addr, err)
		}
		if number == 0 && a.flag == "backend" {
			return fmt.Errorf("-%s %s: there is no port to connect to", a.flag, a.addr)
		}
	}
	switch {
	case (o.cert == "") != (o.key == ""):
		return errors.New("-cert and -key: one needs the other")
	case o.loops < 1:
		return fmt.Errorf("-loops %d: need at least 1", o.loops)
	case o.signers < 0:
		return fmt.Errorf("-signers %d: cannot be negative", o.signers)
	case o.signers > maxSigners:
		return fmt.Errorf("-signers %d: at most %d", o.signers, maxSigners)
	case o.maxConns < 0:
		return fmt.Errorf("-max-conns %d: cannot be negative", o.maxConns)
	case o.handshakeTimeout < 0:
		return fmt.Errorf("-handshake-timeout %v: cannot be negative", o.handshakeTimeout)
	case o.idleTimeout < 0:
		return fmt.Errorf("-idle-timeout %v: cannot be negative", o.idleTimeout)
	case o.drainTimeout < 0:
		return fmt.Errorf("-drain-timeout %v: cannot be negative", o.drainTimeout)
	case o.poller != "" && !slices.Contains(poller.Backends(), o.poller):
		_, err := poller.New(poller.WithBackend(o.poller)) // says why not
		return fmt.Errorf("-poller %q: %w", o.poller, err)
	}
	return nil
}
