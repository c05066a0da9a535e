//go:build unix

package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// runJob runs fn as the one job of a scheduler.
func runJob(fn func(jobs.Job) error) {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	s.Go(func(j jobs.Job) error {
		defer cancel()
		return fn(j)
	})
	s.Run(ctx)
}

// A job starts jobs and waits for them. The first error cancels the rest.
func ExampleTasks() {
	runJob(func(j jobs.Job) error {
		g, err := jobs.NewTasks(j)
		if err != nil {
			return err
		}
		g.Go(func(j jobs.Job) error {
			fmt.Println("the slow one:", j.Sleep(time.Hour))
			return nil
		})
		g.Go(func(j jobs.Job) error {
			return errors.New("the quick one failed")
		})
		fmt.Println(g.Wait())
		return nil
	})
	// Output:
	// the slow one: jobs: canceled
	// the quick one failed
}

// A job awaits several descriptors, and learns which are ready: its select.
func ExampleJob_Ready() {
	a, toA := newPipe()
	b, toB := newPipe()
	unix.Write(toB, []byte("x"))
	runJob(func(j jobs.Job) error {
		wc := j.WaitCtx()
		wc.Set("a", waitctx.Wait{FD: waitctx.FD(a)})
		wc.Set("b", waitctx.Wait{FD: waitctx.FD(b)})
		j.SetDeadline(time.Now().Add(time.Minute)) // its default branch
		if err := j.Pause(); err != nil {
			return err
		}
		for key := range j.Ready() {
			fmt.Println("ready:", key)
		}
		return nil
	})
	for _, fd := range []int{a, toA, b, toB} {
		unix.Close(fd)
	}
	// Output: ready: b
}

// A job receives from a Go channel that a goroutine sends on.
func ExampleRecv() {
	ch := make(chan string)
	go func() {
		ch <- "hello"
		close(ch)
	}()
	runJob(func(j jobs.Job) error {
		for {
			v, ok, err := jobs.Recv(j, ch)
			if err != nil || !ok {
				return err
			}
			fmt.Println(v)
		}
	})
	// Output: hello
}

// A request's context ends its job, and the job's context ends what is done for
// it elsewhere.
func ExampleScheduler_GoContext() {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	loop, stop := context.WithCancel(context.Background())
	request, cancel := context.WithCancelCause(context.Background())
	s.GoContext(request, func(j jobs.Job) error {
		defer stop()
		inner := j.Context() // for calls that take one
		cancel(errors.New("the client has left"))
		fmt.Println(j.Park())
		fmt.Println(inner.Err())
		return nil
	})
	s.Run(loop)
	// Output:
	// the client has left
	// context canceled
}
