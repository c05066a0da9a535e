// Gnet is an echo server on gnet, to be built with -tags poll_opt. With
// WithReusePort its one loop accepts too.
package main

import (
	"log"

	"bide/bench/peers/internal/serve"

	"github.com/panjf2000/gnet/v2"
)

type server struct{ gnet.BuiltinEventEngine }

func (*server) OnTraffic(c gnet.Conn) gnet.Action {
	buf, err := c.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err := c.Write(buf); err != nil {
		return gnet.Close
	}
	return gnet.None
}

func main() {
	log.Fatal(gnet.Run(new(server), "tcp://"+serve.Addr(),
		gnet.WithNumEventLoop(1), gnet.WithReusePort(true), gnet.WithTCPNoDelay(gnet.TCPNoDelay)))
}
