// Package jobevio runs jobs inside an evio server (github.com/tidwall/evio
// v1.0.8), on Linux, macOS and FreeBSD.
//
// Each request is a job: code that would have to wait pauses instead, on a
// descriptor, on work of another goroutine, on a timer or a Waker, and goes on on
// the goroutine of the same loop:
//
//	s := &jobevio.Server{
//		Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
//			line, _, ok := bytes.Cut(in, []byte("\n"))
//			if !ok {
//				return 0, nil // it comes again, with more
//			}
//			question := bytes.Clone(line) // slow may outlast a canceled job
//			answer, err := jobs.Await(j, func(ctx context.Context) ([]byte, error) {
//				return slow(ctx, question)
//			})
//			c.Write(answer)
//			return len(line) + 1, err
//		},
//	}
//	err := s.Serve(ctx, "tcp://127.0.0.1:7000")
//
// A server whose requests seldom wait may have Data in its place, which runs as
// evio's does and is no job, but starts one with [Conn.Go].
//
// # How it works
//
// Each evio loop has a [jobs.Scheduler], whose turns are run from evio's
// callbacks. Evio cannot watch a descriptor of ours, so a goroutine beside each
// loop waits for the scheduler's and calls evio's Wake on one of the loop's
// connections, as does whoever wakes a job: once, until the loop has looked. The
// scheduler asks the kernel only when that goroutine says there is something.
//
// Evio tells nobody when output was written, and a Wake that returns more before
// that discards what is left. So output is written here, to the connection's
// descriptor. What the socket refuses is added to evio's own buffer, which evio
// writes before it reads on, and a job waits until it has; Flush alone writes all by
// itself. The descriptor, that buffer and the loop are fields of evio's connection.
// They are found by name and type, and Serve fails where they are missing.
//
// # What is evio's and remains
//
//   - There is no way to stop reading while a job is paused: what arrives is
//     kept up to Server.MaxInput, and the connection is closed beyond.
//     While output that evio has taken over is unwritten, evio does not read. If
//     the peer does not either, but sends more or its end, evio's loop spins until
//     it leaves: where peers are not to be trusted, write with Flush, which leaves
//     evio nothing, and limit how long it may take.
//   - A peer that half-closes counts as gone: what was written still reaches it,
//     but a job that is paused, in Flush too, is canceled.
//   - An accept that fails, for want of descriptors above all, ends the whole
//     server. Serve refuses connections while a few descriptors are left, wants
//     that many before it starts, and returns ErrStopped if it happened
//     nevertheless. In the instant evio starts nobody hears of it, and Serve then
//     never returns.
//   - UDP, and evio's emulation over package net ("tcp-net://"), are refused:
//     there a Wake does nothing, or deadlocks.
//   - Evio's ticker outlives Serve and then writes to a descriptor that may
//     be another file's by then, so there is none: use Job.Sleep.
//   - A Close waits until the peer has taken what was written before.
//   - A server that is stopped in the instant it starts may miss that.
//   - At its end evio closes the number of each listener twice: a file that another
//     goroutine opens at that moment may be closed.
//   - There is no Detach, no PreWrite, and no TCPKeepAlive.
//   - A loop that has no connection runs no jobs.
package jobevio
