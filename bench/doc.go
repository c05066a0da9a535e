// Package bench measures bide beside what one would use instead.
//
//	go test -run '^$' -bench . ./bench/...
//	go test -run '^$' -bench . -tags openssl ./bench/...
//
// The second needs cc and libssl-dev, and measures OpenSSL's fibres and wait
// contexts besides. Its loops are written in C and timed there: what cgo costs is
// not in them. Echo servers under load are compared by bench/peers, a module of
// its own.
//
// # How
//
// Whatever is compared is measured in turn, a few milliseconds each, after twice
// as long that is not measured, so that it does not pay for what the one before it
// left behind; a round is the median of several turns. A ratio is taken within a
// round, so that what else the machine does meanwhile concerns both sides. What is
// reported is the median over the rounds, and of ratios the least and the greatest
// too: their distance says how much the machine was disturbed, and a result counts
// only outside it.
// -benchtime has no influence, and -benchmem adds zeros that nobody measured;
// -count repeats it all.
//
// What needs many descriptors, or measures memory, runs in a process of its own:
// the test's binary, started again.
//
// # Output
//
// A benchmark has a line for bide and one for each rival. Lines of rivals have
// the ratio: bide's value over theirs, so less is better, but for gain. Without
// the tag openssl there is no line for OpenSSL.
//
//	BenchmarkResume/bide-2         7   92.29 ns/op   0 B/op   0 allocs/op
//	BenchmarkResume/iter.Pull-2    7   84.03 ns/op   1.114 ratio   1.150 ratio-at-most   1.165 ratio-max   1.058 ratio-min   0 B/op   0 allocs/op
//
// The second column is the number of rounds. Units:
//
//	ns/op             of a step; on Linux CPU time of the process, user and system
//	B/conn            resident memory of one, by VmRSS; also B/job, B/ctx
//	growth            of a step's time, from few descriptors to many
//	gain              throughput of two loops on two cores over one on one
//	busiest-%         of connections, on the loop that has most of them
//	epoll_ctl/pause   calls
//	ratio             bide's value over this one's, the median of the rounds
//	ratio-min         the least of the rounds; also ratio-max
//	ratio-at-most     what is aimed at; also ratio-at-least
//	at-most           the same for bide's own value
//
// # What
//
//	BenchmarkResume         a resume and a pause of a job
//	                          iter.Pull   a step of a bare coroutine
//	                          goroutine   there and back over two channels
//	                          openssl     ASYNC_start_job of a job that calls ASYNC_pause_job
//	BenchmarkStartFinish    the life of a job from a pool, which does not pause
//	                          iter.Pull   made, run and stopped
//	                          goroutine   started, and its end awaited over a channel
//	                          openssl     ASYNC_start_job, from a pool as well
//	BenchmarkDiff           Clear, Set, Changes and Ack of one wait, among so many
//	                          openssl     clear_fd, set_wait_fd and get_changed_fds in a job, and the
//	                                      reset when it resumes; less a pause with no waits
//	BenchmarkWake           a job's eventfd is written, its loop waits and resumes it, it drains
//	                        the eventfd and pauses; one after the other, in random order
//	                          syscalls    write, epoll_pwait and read
//	                          netpoller   a goroutine for each descriptor, in SyscallConn().Read
//	BenchmarkWakeGrowth     how that grows from 1,000 descriptors to 19,000, if so many are allowed
//	BenchmarkEpollCtl       calls of epoll_ctl for a pause on a descriptor waited for before
//	BenchmarkEcho           an echo of 64 bytes, on so many connections
//	                          std         package net, a goroutine for each connection
//	                          evio        evio, one loop
//	BenchmarkMemoryIdleTLS  a TLS 1.3 connection at rest, after a kilobyte each way
//	                          goroutine   in tls.Conn.Read
//	BenchmarkMemoryPaused   a paused job, which keeps a stack
//	                          goroutine   blocked on a channel
//	                          openssl     a paused ASYNC_JOB
//	BenchmarkMemoryWaitCtx  a WaitCtx of one wait, acknowledged
//	                          openssl     an ASYNC_WAIT_CTX of one
//	BenchmarkGroupGain      CPU-bound jobs on a Group of two over one Scheduler
//	                          goroutines  two over one
//	BenchmarkGroupAccept    1,000 connections accepted by a Group of two
//
// Bide does no less than its rivals: all carry the same bytes, check as much, and
// have the same options on their sockets. Plain tests see to it that each does
// what it is measured for.
package bench
