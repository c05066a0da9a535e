//go:build unix

// Porting is the example of OpenSSL's ASYNC_start_job(3) in Go, with the same
// output. docs/porting.md shows it beside the C.
//
//	go run ./examples/porting
package main

import (
	"errors"
	"fmt"
	"log"

	"bide/jobs"
	"bide/poller"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// unique is the key of the wait.
type unique struct{}

func cleanup(_ any, w waitctx.Wait) {
	unix.Close(int(w.FD))
	unix.Close(w.Data.(int))
}

func jobfunc(j jobs.Job, msg string) (int, error) {
	fmt.Println("Executing within a job")
	fmt.Println("Passed in message is:", msg)

	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return 0, err
	}
	unix.SetNonblock(fds[0], true)
	err := j.WaitCtx().Set(unique{}, waitctx.Wait{
		FD: waitctx.FD(fds[0]), Data: fds[1], Cleanup: cleanup,
	})
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return 0, err
	}

	buf := []byte{'X'}
	unix.Write(fds[1], buf) // the engine's work is done
	if err := j.Pause(); err != nil {
		return 0, err // canceled: unwind
	}
	unix.Read(fds[0], buf) // clears the signal

	fmt.Println("Resumed the job after a pause")
	return 1, nil
}

// apply tells the poller what the job changed, and the context what became of it.
func apply(p poller.Poller, ctx *waitctx.WaitCtx) error {
	changes := ctx.Changes(nil) // deletes first
	err := p.Apply(changes)     // fills in each one's Err
	var failed []waitctx.Change
	for _, c := range changes {
		if c.Err != nil {
			failed = append(failed, c)
		}
	}
	ctx.Ack(failed...) // cleanups run here
	return err
}

func run(p poller.Poller, pool *jobs.Pool) error {
	var ctx waitctx.WaitCtx
	ret, msg := 0, "Hello world!"
	job, status, err := pool.Start(&ctx, func(j jobs.Job) (err error) {
		ret, err = jobfunc(j, msg)
		return err
	})
	for status == jobs.Paused {
		fmt.Println("Job was paused")
		cause := apply(p, &ctx)
		if cause == nil {
			fmt.Println("Waiting for the job to be woken up")
			var events [1]waitctx.Event
			_, cause = p.Wait(events[:], -1)
		}
		if cause != nil {
			job.Cancel(cause) // Pause returns it
		}
		status, err = job.Resume()
	}
	if err == nil { // else it is the job's, or why it was not started, such as ErrNoJobs
		fmt.Println("Job finished with return value", ret)
	}
	ctx.Close()
	return errors.Join(err, apply(p, &ctx)) // the deletes, and then the cleanups
}

func main() {
	fmt.Println("Starting...")
	pool, err := jobs.NewPool(0, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	p, err := poller.New()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	if err := run(p, pool); err != nil {
		log.Fatal(err)
	}
	fmt.Println("Finishing")
}
