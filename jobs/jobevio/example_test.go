//go:build linux || darwin || freebsd

package jobevio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"bide/jobs"
	"bide/jobs/jobevio"
)

// A server that shouts, after asking somebody else how.
func ExampleServer() {
	ctx, cancel := context.WithCancel(context.Background())
	addr := make(chan net.Addr, 1)
	s := &jobevio.Server{
		Listening: func(addrs []net.Addr) { addr <- addrs[0] },
		Data: func(c *jobevio.Conn, in []byte) int {
			line, _, ok := bytes.Cut(in, []byte("\n"))
			if !ok {
				return 0 // it comes again, with more
			}
			text := string(line) // in is the loop's
			c.Go(func(j jobs.Job) error {
				loud, err := jobs.Await(j, func(context.Context) (string, error) {
					return strings.ToUpper(text), nil // which may block
				})
				fmt.Fprintln(c, loud)
				c.Close()
				return err
			})
			return len(line) + 1
		},
	}
	go func() {
		c, err := net.Dial("tcp", (<-addr).String())
		if err != nil {
			cancel()
			return
		}
		io.WriteString(c, "hello\n")
		answer, _ := io.ReadAll(c)
		fmt.Print(string(answer))
		cancel()
	}()
	fmt.Println(s.Serve(ctx, "tcp://127.0.0.1:0"))
	// Output:
	// HELLO
	// context canceled
}
