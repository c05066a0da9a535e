package jobnet_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"

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

// An http.Client whose connections are on a loop.
func ExampleDialContext() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	defer server.Close()

	loop, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	go loop.Run(context.Background())
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return jobnet.DialContext(ctx, loop, network, address)
		},
	}}

	res, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)
	// Output: hello <nil>
}
