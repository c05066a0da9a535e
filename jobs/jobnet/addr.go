package jobnet

import (
	"net"
	"net/netip"
)

// address is one end of a connection.
type address struct {
	tcp   netip.AddrPort
	other net.Addr // of another network; nil if tcp is valid, or nothing is known
}

// unnamed is the address of a Unix socket that was not bound, as most clients'
// are.
var unnamed = &net.UnixAddr{Name: unnamedAs, Net: "unix"}

// addressOf is the address that a says.
func addressOf(a net.Addr) address {
	if t, ok := a.(*net.TCPAddr); ok {
		return address{tcp: t.AddrPort()}
	}
	return address{other: a}
}

func (a address) addr() net.Addr {
	if a.tcp.IsValid() {
		return net.TCPAddrFromAddrPort(a.tcp)
	}
	return a.other
}

// ends are the addresses of a connection. One end is often that of others too,
// such as what a listener listens on; the other lies here if it is one of TCP:
// a net.TCPAddr takes several times as much, and is made when it is asked for.
type ends struct {
	shared  *sharedEnd
	ip      [16]byte
	port    uint16
	form    form
	dialled bool // shared is the peer's end
}

// sharedEnd is an end of several connections.
type sharedEnd struct {
	address
	opposite *address // the other end of one, which does not fit into its ends
}

// form is how the end that is not shared is kept.
type form uint8

const (
	apart  form = iota // opposite of the shared one; nothing is known, if that is nil
	ip4                // in ip, as IPv6 has it
	ip6                // in ip
	noName             // on a Unix socket that was not bound
)

// acceptedAt are the ends of a connection that came in at local.
func acceptedAt(local *sharedEnd, remote address) ends {
	e := ends{shared: local}
	e.keep(remote)
	return e
}

// dialledTo are the ends of a connection to remote.
func dialledTo(local, remote address) ends {
	e := ends{shared: &sharedEnd{address: remote}, dialled: true}
	e.keep(local)
	return e
}

// keep stores the end that is not shared.
func (e *ends) keep(a address) {
	switch ip := a.tcp.Addr(); {
	case a.other == net.Addr(unnamed):
		e.form = noName
	case a == address{}:
	case !ip.IsValid() || ip.Zone() != "":
		opposite := a // a itself stays off the heap
		e.shared = &sharedEnd{address: e.shared.address, opposite: &opposite}
	default:
		e.form, e.ip, e.port = ip6, ip.As16(), a.tcp.Port()
		if ip.Is4() {
			e.form = ip4
		}
	}
}

// kept returns it.
func (e *ends) kept() address {
	ip := netip.AddrFrom16(e.ip)
	switch e.form {
	case noName:
		return address{other: unnamed}
	case ip4:
		ip = ip.Unmap()
	case apart:
		if e.shared.opposite == nil {
			return address{}
		}
		return *e.shared.opposite
	}
	return address{tcp: netip.AddrPortFrom(ip, e.port)}
}

func (e *ends) local() address {
	if e.dialled {
		return e.kept()
	}
	return e.shared.address
}

func (e *ends) remote() address {
	if e.dialled {
		return e.shared.address
	}
	return e.kept()
}

// network is the name of it, for errors.
func (e *ends) network() string {
	if a := e.remote().other; a != nil {
		return a.Network()
	}
	return "tcp"
}

// LocalAddr returns the socket's own address.
func (e *ends) LocalAddr() net.Addr { return e.local().addr() }

// RemoteAddr returns the peer's address.
func (e *ends) RemoteAddr() net.Addr { return e.remote().addr() }

// toItself reports whether a socket was connected to itself, which TCP allows
// when the system happens to choose the port that was dialled: nobody listens.
func (e *ends) toItself() bool {
	local, remote := e.local().tcp, e.remote().tcp
	return local.IsValid() && local.Port() == remote.Port() && local.Addr().Unmap() == remote.Addr().Unmap()
}
