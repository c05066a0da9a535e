package jobs_test

import (
	"context"
	"fmt"
	"log"
	"os/exec"

	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// A job waits for a process as it would for a connection. Its pidfd is closed by
// the Cleanup when the job ends, however that comes about.
func ExampleJob_WaitKey() {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	s.Go(func(j jobs.Job) error {
		defer cancel()
		cmd := exec.Command("/bin/sh", "-c", "exit 3")
		if err := cmd.Start(); err != nil {
			return err
		}
		fd, err := unix.PidfdOpen(cmd.Process.Pid, unix.PIDFD_NONBLOCK)
		if err != nil {
			return err
		}
		err = j.WaitCtx().Set("process", waitctx.Wait{
			FD:      waitctx.FD(fd),
			Cleanup: func(_ any, w waitctx.Wait) { unix.Close(int(w.FD)) },
		})
		if err == nil {
			err = j.WaitKey("process")
		}
		if err != nil { // such as: the job was canceled
			cmd.Process.Kill()
		}
		fmt.Println(cmd.Wait()) // at once
		return err
	})
	s.Run(ctx)
	// Output: exit status 3
}
