// Netpoll is an echo server on cloudwego/netpoll with one poller. Handlers run
// in its pool of goroutines, the default: on the poller's own goroutine a Flush
// that has to wait would wait for ever.
package main

import (
	"context"
	"log"

	"bide/bench/peers/internal/serve"

	"github.com/cloudwego/netpoll"
)

func main() {
	if err := netpoll.Configure(netpoll.Config{PollerNum: 1}); err != nil {
		log.Fatal(err)
	}
	loop, err := netpoll.NewEventLoop(echo)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(loop.Serve(serve.Listen(serve.Addr())))
}

func echo(_ context.Context, c netpoll.Connection) error {
	r, w := c.Reader(), c.Writer()
	buf, err := r.Next(r.Len())
	if err != nil {
		return err
	}
	if _, err := w.WriteBinary(buf); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.Release()
}
