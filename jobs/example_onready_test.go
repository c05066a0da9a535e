package jobs_test

import (
	"fmt"
	"log"
	"time"

	"bide/jobs"
)

// A select statement as the host's loop, on every system.
func ExampleScheduler_OnReady() {
	s, err := jobs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	due := make(chan struct{}, 1)
	err = s.OnReady(func() {
		select {
		case due <- struct{}{}:
		default: // it knows
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	s.Go(func(j jobs.Job) error {
		err := j.Sleep(time.Millisecond)
		fmt.Println("slept:", err)
		return err
	})
	for s.Live() > 0 {
		select {
		case <-due:
			if _, err := s.RunOnce(0); err != nil {
				log.Fatal(err)
			}
			// case request := <-requests: and whatever else the host does
		}
	}
	// Output: slept: <nil>
}
