package jobnet_test

import (
	"bufio"
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

// HTTP and HTTPS on one port: the first byte that a client sends tells which it is.
func ExampleConn_Unread() {
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	loop, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	l, err := jobnet.Listen(loop, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	answer := func(conn net.Conn, over string) error {
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return err
		}
		_, err := io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\nhello over "+over)
		return err
	}
	serve := func(j jobs.Job, c *jobnet.Conn) error {
		const handshake = 22 // a record of TLS
		first := make([]byte, 1)
		if _, err := c.In(j).Read(first); err != nil {
			c.Close()
			return err
		}
		c.Unread(first)
		if first[0] != handshake {
			return answer(c.In(j), "TCP")
		}
		secure, err := jobnet.ServerTLS(j, c, borrowed.TLS)
		if err != nil {
			c.Close()
			return err
		}
		return answer(secure.In(j), "TLS")
	}
	loop.Go(func(j jobs.Job) error {
		for {
			c, err := l.AcceptIn(j)
			if err != nil {
				return err
			}
			loop.Go(func(j jobs.Job) error { return serve(j, c) })
		}
	})
	go loop.Run(context.Background())

	for _, scheme := range []string{"http", "https"} {
		res, err := borrowed.Client().Get(scheme + "://" + l.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(string(body), err)
	}
	// Output:
	// hello over TCP <nil>
	// hello over TLS <nil>
}
