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
	requests := make(chan time.Duration)
	go func() {
		requests <- time.Millisecond
		close(requests)
	}()
	for requests != nil || s.Live() > 0 {
		select {
		case <-due:
			if _, err := s.RunOnce(0); err != nil {
				log.Fatal(err)
			}
		case d, ok := <-requests:
			if !ok {
				requests = nil
				continue
			}
			s.Go(func(j jobs.Job) error {
				err := j.Sleep(d)
				fmt.Println("slept:", err)
				return err
			})
		}
	}
	// Output: slept: <nil>
}
