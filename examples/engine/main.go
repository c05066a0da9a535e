//go:build unix

// Engine is the story that OpenSSL's ASYNC_WAIT_CTX tells: an asynchronous engine
// registers a wait fd under its key, starts its work elsewhere, and pauses the job
// it was called in; the application resumes that once the fd is readable.
//
//	go run ./examples/engine
//	go test -tags openssl ./examples/engine
//
// With the tag the tests run OpenSSL itself, whose jobs and wait fds go through
// bide's WaitCtx and poller.
package main

import (
	"context"
	"fmt"
	"log"

	"bide/jobs"
)

func main() {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	go s.Run(context.Background())
	if err := s.Do(context.Background(), demo); err != nil {
		log.Fatal(err)
	}
}

// demo calls two engines at a time, on the job's one WaitCtx, and then one that
// has no descriptor.
func demo(j jobs.Job) error {
	a, b := &engine{"a"}, &engine{"b"}
	for n := range 3 {
		text := fmt.Appendf(nil, "message %d", n)
		first, err := a.start(j, text)
		if err != nil {
			return err
		}
		second, err := b.start(j, text)
		if err != nil {
			return err
		}
		x, err := first.wait(j)
		if err != nil {
			return err
		}
		y, err := second.wait(j)
		if err != nil {
			return err
		}
		z, err := wakerEngine{}.digest(j, text)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %x, the engines agree: %v; %d waits\n", text, x[:4], x == y && y == z, j.WaitCtx().Len())
	}
	return nil
}
