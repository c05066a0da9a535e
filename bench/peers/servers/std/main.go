// Std is an echo server on package net: a goroutine with a 4 KiB buffer for
// each connection.
package main

import (
	"log"
	"net"

	"bide/bench/peers/internal/serve"
)

func main() {
	l := serve.Listen(serve.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(c)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}
