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

// ends are the addresses of a connection. Those of TCP lie here as numbers: a
// net.TCPAddr takes three times as much, and is made when it is asked for.
type ends struct {
	local, remote netip.AddrPort
	other         *[2]net.Addr // of another network
}

func endsOf(local, remote address) ends {
	if local.other != nil || remote.other != nil {
		return ends{other: &[2]net.Addr{local.addr(), remote.addr()}}
	}
	return ends{local: local.tcp, remote: remote.tcp}
}

// network is the name of it, for errors.
func (e *ends) network() string {
	if e.other != nil && e.other[1] != nil {
		return e.other[1].Network()
	}
	return "tcp"
}

// LocalAddr returns the socket's own address.
func (e *ends) LocalAddr() net.Addr {
	if e.other != nil {
		return e.other[0]
	}
	return address{tcp: e.local}.addr()
}

// RemoteAddr returns the peer's.
func (e *ends) RemoteAddr() net.Addr {
	if e.other != nil {
		return e.other[1]
	}
	return address{tcp: e.remote}.addr()
}

// toItself reports whether a socket was connected to itself, which TCP allows
// when the system happens to choose the port that was dialled: nobody listens.
func (e *ends) toItself() bool {
	return e.other == nil && e.local.Port() == e.remote.Port() && e.local.Addr().Unmap() == e.remote.Addr().Unmap()
}
