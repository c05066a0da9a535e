// Package serve has what the servers under measurement share.
package serve

import (
	"context"
	"flag"
	"log"
	"net"
)

// Addr returns the address that -listen names.
func Addr() string {
	addr := flag.String("listen", "127.0.0.1:7000", "`address` to accept connections on")
	flag.Parse()
	return *addr
}

// Listen returns a plain TCP listener. The one net.Listen makes is for
// multipath TCP, whose calls cost more; sockets it accepts have TCP_NODELAY.
func Listen(addr string) net.Listener {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	return l
}
