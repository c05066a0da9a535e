//go:build unix

package jobs_test

import (
	"context"
	"fmt"
	"log"

	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

func ExampleScheduler() {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	r, w := newPipe()
	ctx, cancel := context.WithCancel(context.Background())
	s.Go(func(j jobs.Job) error {
		defer cancel()
		buf := make([]byte, 16)
		n, err := unix.Read(r, buf)
		for err == unix.EAGAIN {
			if err := j.Wait(waitctx.FD(r), waitctx.Readable); err != nil {
				return err
			}
			n, err = unix.Read(r, buf)
		}
		fmt.Println(string(buf[:n]))
		return err
	})
	s.Go(func(j jobs.Job) error {
		_, err := unix.Write(w, []byte("hello"))
		return err
	})
	s.Run(ctx)
	// Output: hello
}

func newPipe() (r, w int) {
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		log.Fatal(err)
	}
	unix.SetNonblock(p[0], true)
	return p[0], p[1]
}
