package jobnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"bide/jobs"
	"bide/waitctx"
)

// Dial is DialContext without a context.
func Dial(s *jobs.Scheduler, network, address string) (*Conn, error) {
	return DialContext(context.Background(), s, network, address)
}

// DialContext connects to an address of network tcp, tcp4, tcp6 or unix, as DialIn
// does. It is for goroutines other than the loop's, also where ctx is that of a job:
// http.Transport and others hand contexts to goroutines of their own. When ctx ends
// first, the error is package net's, and wraps the context's cause besides; of a
// connection nothing is left. Once there is one, ctx does not concern it any more.
//
// What net.Dialer has beyond that, such as LocalAddr and Control, it has for [Adopt]
// too.
func DialContext(ctx context.Context, s *jobs.Scheduler, network, address string) (*Conn, error) {
	c, err := (*Conn)(nil), ctx.Err()
	if err == nil {
		if e := s.Do(ctx, func(j jobs.Job) error {
			until, _ := ctx.Deadline()
			c, err = dial(j, network, address, until)
			return nil // the error is no other's than the caller's
		}); e != nil {
			err = e
		}
	}
	var failed *net.OpError
	if err != nil && !errors.As(err, &failed) {
		failed = &net.OpError{Op: "dial", Net: network, Err: waitError(err)}
		if ap, err := netip.ParseAddrPort(address); err == nil {
			failed.Addr = net.TCPAddrFromAddrPort(ap)
		}
	}
	if why := ctx.Err(); why != nil {
		if c != nil { // it was there just as ctx ended
			failed = &net.OpError{Op: "dial", Net: network, Addr: c.RemoteAddr()}
			c.Close()
		}
		failed.Err = ended{why, context.Cause(ctx)}
	}
	if failed != nil {
		return nil, failed
	}
	return c, nil
}

// DialIn connects to an address of network tcp, tcp4, tcp6 or unix, pausing j
// meanwhile. Names are looked up on another goroutine; of several addresses one is
// tried after the other, never two at once. Each is tried for as long as the system
// does, or if j has a deadline for its share of what is left until then, as with
// net.Dialer: so that one that does not answer leaves time for the others.
// What limits the time of all together are j's deadline, jobs.Job.Within and a cancel
// of j; the error is theirs then. It wraps jobs.ErrNotLoop if j is none of a Scheduler's.
func DialIn(j jobs.Job, network, address string) (*Conn, error) {
	return dial(j, network, address, time.Time{})
}

// dial is DialIn, with a deadline besides j's; zero for none.
func dial(j jobs.Job, network, address string, until time.Time) (*Conn, error) {
	if j.Scheduler() == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: jobs.ErrNotLoop}
	}
	addrs, err := resolve(j, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: waitError(err)}
	}
	if at, ok := j.Deadline(); ok && (until.IsZero() || at.Before(until)) {
		until = at
	}
	return dialOne(j, network, addrs, until)
}

// leastShare is how long each of several addresses is tried, if the time allows it.
var leastShare = 2 * time.Second

// dialOne connects to the first of the addresses that takes it.
func dialOne(j jobs.Job, network string, addrs []net.Addr, until time.Time) (*Conn, error) {
	var first error // the most telling, as package net has it
	for i, a := range addrs {
		var c *Conn
		try := func() (err error) { c, err = connect(j, a); return err }
		left, n := time.Until(until), time.Duration(len(addrs)-i)
		shared := n > 1 && !until.IsZero()
		var err error
		if shared {
			err = j.Within(max(left/n, min(left, leastShare)), try)
		} else {
			err = try()
		}
		if err == nil {
			return c, nil
		}
		failed := &net.OpError{Op: "dial", Net: network, Addr: a, Err: err}
		if e := syscall.Errno(0); !errors.As(err, &e) && !(shared && errors.Is(err, os.ErrDeadlineExceeded)) {
			return nil, failed // not the address's fault: j was stopped, or the like
		}
		if first == nil {
			first = failed
		}
	}
	return nil, first
}

// connect connects to one address. Where that is decided at once nothing pauses j,
// which is to hear nevertheless that it was stopped.
func connect(j jobs.Job, to net.Addr) (*Conn, error) {
	if err := j.Sleep(0); err != nil {
		return nil, waitError(err)
	}
	to = loopback(to)
	fd, e := sysConnect(to)
	switch e {
	case 0, syscall.EINPROGRESS:
	case syscall.EMFILE, syscall.ENFILE:
		return nil, sysError("socket", e)
	default:
		return nil, sysError("connect", e)
	}
	_, plain := to.(*net.TCPAddr)
	plain = plain && sysPlainTCP(fd)
	c, err := newConn(j.Scheduler(), fd, dialledTo(address{}, addressOf(to)), plain)
	if err != nil {
		return nil, err
	}
	if e == syscall.EINPROGRESS {
		e, err = c.connected(j)
	}
	if err == nil {
		c.ends = dialledTo(sysLocal(fd), addressOf(to))
		if e == 0 && c.toItself() {
			e = syscall.ECONNREFUSED
		}
		err = sysError("connect", e)
	}
	if err != nil {
		c.closeNow()
		return nil, err
	}
	return c, nil
}

// loopback is where a dial of 0.0.0.0 or :: goes: to this machine. Linux takes it
// there itself, other systems elsewhere or nowhere.
func loopback(to net.Addr) net.Addr {
	t, ok := to.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return to
	}
	ip := netip.IPv6Loopback()
	if t.IP.To4() != nil {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(t.Port)))
}

// connected pauses j until the connect has an outcome. It asks first: one to
// this machine has one already. The wait is the job's own, and is forgotten, so
// that a connection is registered for writing only once writing has to wait.
func (c *Conn) connected(j jobs.Job) (syscall.Errno, error) {
	fd := waitctx.FD(c.fd())
	e := sysConnected(c.fd())
	if e == syscall.EINPROGRESS {
		defer j.Forget(fd)
	}
	for e == syscall.EINPROGRESS {
		if err := j.Wait(fd, waitctx.Writable); err != nil {
			return 0, waitError(err)
		}
		e = sysConnected(c.fd())
	}
	return e, nil
}

// resolve returns the addresses to try.
func resolve(j jobs.Job, network, address string) ([]net.Addr, error) {
	family := ""
	switch network {
	case "unix":
		return []net.Addr{&net.UnixAddr{Name: address, Net: "unix"}}, nil
	case "tcp":
	case "tcp4", "tcp6":
		family = network[3:]
	default:
		return nil, net.UnknownNetworkError(network)
	}
	if ap, err := netip.ParseAddrPort(address); err == nil {
		if family == "4" && !ap.Addr().Unmap().Is4() || family == "6" && ap.Addr().Unmap().Is4() {
			return nil, &net.AddrError{Err: "no suitable address found", Addr: ap.Addr().String()}
		}
		return []net.Addr{net.TCPAddrFromAddrPort(ap)}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "" { // this machine, as package net has it
		host = "127.0.0.1"
		if family == "6" {
			host = "::1"
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	found := make(chan lookup, 1)
	go func() { found <- lookUp(ctx, network, family, host, service) }()
	l, _, err := jobs.Recv(j, found)
	if err != nil {
		return nil, err
	}
	return l.addrs, l.err
}

type lookup struct {
	addrs []net.Addr
	err   error
}

// lookUp asks package net. It has a goroutine of its own, and not one of Await's,
// which may be taken by functions that dial and so wait for it.
func lookUp(ctx context.Context, network, family, host, service string) (l lookup) {
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return lookup{err: err}
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() != "" && family != "4" { // no answer has a zone
		return lookup{addrs: []net.Addr{net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port)))}}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+family, host)
	for _, ip := range ips {
		l.addrs = append(l.addrs, net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip.Unmap(), uint16(port))))
	}
	l.err = err
	return l
}
