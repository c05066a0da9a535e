// Package jobs runs jobs that pause on descriptors.
//
// A job is a function on a coroutine of its own. It looks like blocking code;
// where it would block it pauses, and the loop runs others until what it waits
// for is ready:
//
//	s, err := jobs.New()
//	s.Go(func(j jobs.Job) error {
//		n, err := unix.Read(fd, buf)
//		for err == unix.EAGAIN {
//			if err := j.Wait(waitctx.FD(fd), waitctx.Readable); err != nil {
//				return err
//			}
//			n, err = unix.Read(fd, buf)
//		}
//		return use(buf[:n], err)
//	})
//	err = s.Run(ctx)
//
// The descriptor is any that the poller takes, such as a socket, a pipe, a timerfd
// or a pidfd, and must not block (O_NONBLOCK): readiness may be over by the time the
// job runs. It stays the job's own to close.
//
// A [Scheduler] is one loop on one goroutine. A [Pool] is the primitive without
// a loop, for hosts that have one: OpenSSL's ASYNC_start_job and
// ASYNC_pause_job. A [Group] is several schedulers, for many cores.
//
// # Waiting
//
// Registered is not awaited. What Wait registers stays so until Forget or the
// job's end, so that the next wait of the same kind costs no system call. What is
// set in j.WaitCtx() stays until it is cleared or released, or until the context is
// closed: with the job, if it is the job's own; by Watch.Stop, if a Watch started
// the job; by its owner, in a Pool. What resumes a job is only what it awaits:
//
//	j.Wait(fd, interest)     fd
//	j.Pause()                any wait of j.WaitCtx(); j.Ready() says which
//	j.WaitKey(key)           the wait under that key of j.WaitCtx()
//	j.Sleep(d), j.Park()     the time, its Waker
//	jobs.Await(j, fn)        blocking work, done on another goroutine
//	m.Lock(j), ch.Recv(j)    another job of the loop
//
// A job is stopped by Cancel, by its deadline, by the end of the context of
// GoContext or Do, and by the Scheduler's Close. From then on each call that would
// pause it returns why: what Cancel was given, or ErrCanceled for nil;
// os.ErrDeadlineExceeded; the context's cause; ErrClosed. Then the job is to return:
// after 1,000 more such calls it is ended by runtime.Goexit, which runs what it
// deferred. A job that has to wait on its way out, as to stop a child process and
// then to kill it, is told by its Waker or a Chan instead of being canceled.
//
// Any of these waits, or several, take a timeout by [Job.Within]:
//
//	err := j.Within(time.Second, func() error { return j.Wait(fd, interest) })
//
// A [Watch] is a context that outlives jobs: readiness starts one, so that what
// is at rest has no stack.
//
// # Rules
//
// What is "loop only" may be called in a job, in a function of Post, and between
// turns by the goroutine that runs them: anywhere else it is a data race.
//
// Mutex, Cond, Semaphore, WaitGroup, Chan and Tasks are for jobs of one scheduler,
// which run one at a time, and are loop only. In a function of Post, with the zero
// Job, what need not pause succeeds.
//
// Jobs must not block: that stops their loop ([WithWatchdog] tells of it). A job
// must not be resumed or paused inside a C callback, nor lock its thread.
//
// # Threads
//
// A job runs on the thread of whoever resumes it: the goroutine in Run, RunOnce
// or Close, or in a Pool's Start and Resume. If that has called
// runtime.LockOSThread, all its jobs run on its one thread, as C libraries with
// state of a thread ask for: call those from jobs and from the loop's goroutine.
//
// The lock must be there from the first of these calls to the last, NewPool and
// Pool.Close included, and nested as often each time: a coroutine remembers what
// it was made under, and Go ends the program if it is resumed under anything
// else. A C callback counts as a lock too. So a locked loop is closed by its own
// goroutine, or by any while that is in Run or RunOnce, where the jobs unwind
// then.
//
// # Embedding
//
// A host with a loop of its own watches [Scheduler.FD], sleeps until
// [Scheduler.Next] at most, and calls [Scheduler.RunOnce] with 0. Where there is
// no FD, as on Windows, [Scheduler.OnReady] says when. A job that is to begin at
// once, in a handler of the host's, is begun by [Scheduler.Start].
package jobs
