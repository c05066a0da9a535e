// Nbio is an echo server on nbio with one poller. Write sends at once what the
// socket takes and copies the rest, so it may have nbio's own buffer.
package main

import (
	"log"
	"net"

	"bide/bench/peers/internal/serve"

	"github.com/lesismal/nbio"
)

func main() {
	engine := nbio.NewEngine(nbio.Config{
		Network: "tcp",
		Addrs:   []string{serve.Addr()},
		NPoller: 1,
		Listen:  func(_, addr string) (net.Listener, error) { return serve.Listen(addr), nil },
	})
	engine.OnData(func(c *nbio.Conn, data []byte) { c.Write(data) })
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	select {}
}
