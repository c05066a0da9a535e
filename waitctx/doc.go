// Package waitctx holds what a job waits for, and says how that changed.
//
// A [WaitCtx] is a set of descriptors under keys. Its producer, the job's code,
// calls Set and Clear; its consumer, whoever runs the loop, takes the difference
// and applies it to a poller:
//
//	var c waitctx.WaitCtx
//	c.Set(key, waitctx.Wait{FD: fd})       // producer
//
//	changes = c.Changes(changes[:0])       // consumer
//	poller.Apply(changes)                  // fills in Change.Err
//	c.Ack(failed...)                       // those with an Err
//
// A change is reported until it is acknowledged, and never again. Set and Clear
// before anyone looked report nothing; once handed out, a registration is
// undone only by a reported delete. Clear and Set of the same number report a
// delete and an add, since the file behind it may differ. Several waits, of one
// context or of several, may name one descriptor: each is a registration of its own,
// which a consumer over epoll(7), with its one entry for a descriptor, has to merge
// as package poller does.
//
// # OpenSSL
//
// The package is OpenSSL's ASYNC_WAIT_CTX, and package jobs its ASYNC_JOB:
//
//	ASYNC_WAIT_CTX_new               the zero WaitCtx
//	ASYNC_WAIT_CTX_free              WaitCtx.Close, then Changes and Ack once more
//	ASYNC_WAIT_CTX_set_wait_fd       WaitCtx.Set
//	ASYNC_WAIT_CTX_get_fd            WaitCtx.Get
//	ASYNC_WAIT_CTX_get_all_fds       WaitCtx.All, WaitCtx.Len
//	ASYNC_WAIT_CTX_get_changed_fds   WaitCtx.Changes
//	ASYNC_WAIT_CTX_clear_fd          WaitCtx.Clear, or Release to close safely
//	ASYNC_WAIT_CTX_set_callback      WaitCtx.SetCallback
//	ASYNC_WAIT_CTX_get_callback      WaitCtx.Callback
//	ASYNC_WAIT_CTX_set_status        WaitCtx.SetStatus
//	ASYNC_WAIT_CTX_get_status        WaitCtx.Status
//	ASYNC_start_job                  jobs.Pool.Start, jobs.Job.Resume
//	ASYNC_pause_job                  jobs.Job.Pause
//	ASYNC_get_current_job            the Job handed to the function, jobs.FromContext
//	ASYNC_get_wait_ctx               jobs.Job.WaitCtx
//	ASYNC_block_pause                jobs.Job.BlockPause
//	ASYNC_unblock_pause              jobs.Job.UnblockPause
//	ASYNC_init_thread                jobs.NewPool
//	ASYNC_cleanup_thread             jobs.Pool.Close
//	ASYNC_is_capable                 always
//	ASYNC_set_mem_functions          none: stacks are the Go runtime's
//
// Departures, each because a program broke:
//
//   - The difference is consumed by Ack. OpenSSL resets it whenever a paused
//     job resumes, so what was not read by then is lost, and what was read after
//     the end of a job is reported to the next one again.
//   - A duplicate key is ErrKeyExists. OpenSSL shadows the older entry.
//   - A registration is told by its ID, not by its descriptor.
//   - A cleanup runs after the delete was applied. OpenSSL closes descriptors
//     first, and the late delete hits whoever has the number by then.
//   - Waits have an interest; OpenSSL knows only readable.
//   - One consumer at a time (Bind, ErrBusy). OpenSSL only documents that.
//   - Bad descriptors and keys are refused. OpenSSL reports -1 as an add.
package waitctx
