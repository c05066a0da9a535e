// Gaio is the echo server of gaio's README, with a 4 KiB buffer for each
// connection and one watcher.
package main

import (
	"log"

	"bide/bench/peers/internal/serve"

	"github.com/xtaci/gaio"
)

func main() {
	w, err := gaio.NewWatcher()
	if err != nil {
		log.Fatal(err)
	}
	go echo(w)
	l := serve.Listen(serve.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Read(nil, c, make([]byte, 4<<10)); err != nil {
			log.Fatal(err)
		}
	}
}

func echo(w *gaio.Watcher) {
	for {
		results, err := w.WaitIO()
		if err != nil {
			log.Fatal(err)
		}
		for _, res := range results {
			switch {
			case res.Error != nil:
				w.Free(res.Conn)
			case res.Operation == gaio.OpRead:
				w.Write(nil, res.Conn, res.Buffer[:res.Size])
			case res.Operation == gaio.OpWrite:
				w.Read(nil, res.Conn, res.Buffer[:cap(res.Buffer)])
			}
		}
	}
}
