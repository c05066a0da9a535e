//go:build linux || darwin || freebsd

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"bide/jobs"
	"bide/jobs/jobevio"
	"bide/waitctx"
)

// handler answers the commands of all connections, on the server's one loop.
type handler struct {
	db      *store
	get     string
	batched bool
	out     []byte // for one answer
}

// data is called with what a connection has sent. It stops at a command whose
// job pauses: the rest comes again once that has ended, so answers keep the order
// of the commands.
func (h *handler) data(c *jobevio.Conn, in []byte) int {
	if h.batched {
		return h.batch(c, in)
	}
	taken := 0
	for {
		args, n, err := parse(in[taken:])
		if err != nil {
			c.Write(appendBroken(h.out[:0], err))
			c.Close()
			return len(in)
		}
		if n == 0 {
			return taken
		}
		taken += n
		if len(args) > 0 && !h.command(c, args) {
			return taken
		}
	}
}

// command answers one command, or starts its job. It reports whether the command
// is done.
func (h *handler) command(c *jobevio.Conn, args [][]byte) bool {
	job := h.slow(c, args)
	if job == nil && h.get != "inline" && is(args[0], "GET") && len(args) == 2 {
		g := c.Context().(*getter)
		g.key = append(g.key[:0], args[1]...) // args lie in the loop's buffer
		job = g.job
	}
	if job == nil {
		h.answer(c, args)
		return true
	}
	ended, err := c.Go(job)
	return ended && err == nil
}

// getter is a connection's job of a GET, made once.
type getter struct {
	h   *handler
	c   *jobevio.Conn
	key []byte
	job func(jobs.Job) error // run
}

func (h *handler) opened(c *jobevio.Conn) {
	g := &getter{h: h, c: c}
	g.job = g.run
	c.SetContext(g)
}

func (g *getter) run(j jobs.Job) error {
	if g.h.get == "pause" {
		if err := pauseOnce(j); err != nil {
			return err
		}
	}
	g.h.out = g.h.db.get(g.h.out[:0], g.key)
	return write(g.c, g.h.out)
}

// pauseOnce pauses the job on a Waker that was signalled already.
func pauseOnce(j jobs.Job) error {
	j.Waker().Wake()
	return j.Park()
}

// answer writes what a command that needs no job answers.
func (h *handler) answer(c *jobevio.Conn, args [][]byte) error {
	h.out = h.db.execute(h.out[:0], args)
	_, err := c.Write(h.out)
	return err
}

// slow returns the job of a slow command, or nil. What it keeps of the arguments
// it copies, since they lie in the loop's buffer.
func (h *handler) slow(c *jobevio.Conn, args [][]byte) func(jobs.Job) error {
	switch {
	case is(args[0], "SLEEP") && len(args) == 2:
		ms, err := strconv.ParseUint(string(args[1]), 10, 31)
		return func(j jobs.Job) error {
			if err != nil {
				return write(c, appendError(nil, "SLEEP: not a number of milliseconds"))
			}
			if err := j.Sleep(time.Duration(ms) * time.Millisecond); err != nil {
				return err
			}
			return write(c, appendSimple(nil, "OK"))
		}
	case is(args[0], "READ") && len(args) == 1:
		return func(j jobs.Job) error { return h.read(j, c) }
	case is(args[0], "AWAIT") && len(args) == 2:
		text := append([]byte(nil), args[1]...)
		return func(j jobs.Job) error {
			sum, err := jobs.Await(j, func(ctx context.Context) (string, error) { return digest(ctx, text) })
			if err != nil {
				return err
			}
			return write(c, appendBulk(nil, sum))
		}
	}
	return nil
}

func write(c *jobevio.Conn, b []byte) error {
	_, err := c.Write(b)
	return err
}

// read answers with what is in the pipe, and pauses while there is nothing.
func (h *handler) read(j jobs.Job, c *jobevio.Conn) error {
	var buf [512]byte
	for {
		n, err := unix.Read(h.db.r, buf[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN: // also if another READ was quicker
			if err := j.Wait(waitctx.FD(h.db.r), waitctx.Readable); err != nil {
				return err
			}
		case err != nil:
			return write(c, appendError(nil, "READ: "+err.Error()))
		default:
			return write(c, appendBulk(nil, buf[:n]))
		}
	}
}

// digest is work that would hold up the loop: SHA-256, 10,000 times over.
func digest(ctx context.Context, text []byte) (string, error) {
	for range 10_000 {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		sum := sha256.Sum256(text)
		text = sum[:]
	}
	return hex.EncodeToString(text), nil
}

// batch is data for measuring: one job answers all commands that have arrived. It
// does without the slow ones.
func (h *handler) batch(c *jobevio.Conn, in []byte) int {
	kept, taken := append([]byte(nil), in...), 0
	var commands [][][]byte
	for {
		args, n, err := parse(kept[taken:])
		if err != nil {
			c.Write(appendBroken(nil, err))
			c.Close()
			return len(in)
		}
		if n == 0 {
			break
		}
		taken += n
		if len(args) > 0 {
			commands = append(commands, args)
		}
	}
	c.Go(func(j jobs.Job) error {
		for _, args := range commands {
			if h.get == "pause" && is(args[0], "GET") {
				if err := pauseOnce(j); err != nil {
					return err
				}
			}
			if err := h.answer(c, args); err != nil {
				return err
			}
		}
		return nil
	})
	return taken
}
