package jobnet_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// An echo server on two loops, each with a listener of its own.
func ExampleListen() {
	group, err := jobs.NewGroup(2)
	if err != nil {
		log.Fatal(err)
	}
	defer group.Close() // ends the jobs, and closes listeners and connections
	addr := "127.0.0.1:0"
	for _, loop := range group.Schedulers() {
		l, err := jobnet.Listen(loop, "tcp", addr, jobnet.ReusePort())
		if err != nil {
			log.Fatal(err)
		}
		addr = l.Addr().String() // the port that the system chose
		loop.Go(func(j jobs.Job) error {
			for {
				c, err := l.AcceptIn(j)
				if err != nil {
					return err
				}
				loop.Go(func(j jobs.Job) error {
					conn := c.In(j) // pauses this job where it would block
					defer conn.Close()
					_, err := io.Copy(conn, conn)
					return err
				})
			}
		})
	}
	go group.Run(context.Background())

	c, err := net.Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "hello")
	b := make([]byte, 5)
	io.ReadFull(c, b)
	fmt.Println(string(b))
	// Output: hello
}
