// Package jobs runs jobs that pause on descriptors.
//
// A job is a function on a coroutine of its own. It looks like blocking code;
// where it would block it pauses, and the loop runs others until what it waits
// for is ready:
//
//	s, err := jobs.New()
//	s.Go(func(j jobs.Job) error {
//		if err := j.Wait(fd, waitctx.Readable); err != nil {
//			return err
//		}
//		_, err := unix.Read(int(fd), buf)
//		return err
//	})
//	err = s.Run(ctx)
//
// A [Scheduler] is one loop on one goroutine. A [Pool] is the primitive without
// a loop, for hosts that have one: OpenSSL's ASYNC_start_job and
// ASYNC_pause_job.
//
// Jobs must not block: that stops their loop. Await moves blocking work to
// another goroutine, and Mutex, Cond, Semaphore and WaitGroup pause.
// A job must not be resumed or paused inside a C callback, nor lock its thread.
package jobs
