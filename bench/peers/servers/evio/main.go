// Evio is an echo server on evio with one loop. Evio has no way to set
// TCP_NODELAY; with one ping at a time on a connection it makes no difference.
package main

import (
	"log"

	"bide/bench/peers/internal/serve"

	"github.com/tidwall/evio"
)

func main() {
	events := evio.Events{
		NumLoops: 1,
		Opened: func(evio.Conn) (out []byte, opts evio.Options, action evio.Action) {
			opts.ReuseInputBuffer = true
			return
		},
		Data: func(_ evio.Conn, in []byte) (out []byte, action evio.Action) { return in, evio.None },
	}
	log.Fatal(evio.Serve(events, "tcp://"+serve.Addr()))
}
