//go:build linux || darwin || freebsd

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"strconv"
	"time"

	"bide/jobs"
	"bide/jobs/jobevio"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// handler answers the commands of all connections, on the server's one loop.
type handler struct {
	db  *store
	out []byte // for one answer
}

// serve serves with a job for each command, which pauses if that is a slow one.
// With pause the others do too, once, to measure with.
func serve(ctx context.Context, db *store, pause bool, listening func([]net.Addr), addr string) error {
	h := &handler{db: db}
	s := &jobevio.Server{Listening: listening, Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
		args, n, err := parse(in)
		switch {
		case err != nil:
			c.Write(appendBroken(h.out[:0], err))
			c.Close()
			return len(in), nil
		case len(args) == 0: // not complete, or empty
			return n, nil
		}
		switch name := args[0]; {
		case is(name, "SLEEP") && len(args) == 2:
			err = h.sleep(j, c, args[1])
		case is(name, "READ") && len(args) == 1:
			err = h.read(j, c)
		case is(name, "AWAIT") && len(args) == 2:
			err = h.await(j, c, args[1])
		default:
			if pause {
				j.Waker().Wake()
				err = j.Park()
			}
			h.out = db.execute(h.out[:0], args)
			c.Write(h.out)
		}
		return n, err
	}}
	if err := s.Serve(ctx, addr); ctx.Err() == nil {
		return err
	}
	return nil
}

func (h *handler) sleep(j jobs.Job, c *jobevio.Conn, text []byte) error {
	ms, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return write(c, appendError(nil, "SLEEP: not a number of milliseconds"))
	}
	if err := j.Sleep(time.Duration(ms) * time.Millisecond); err != nil {
		return err
	}
	return write(c, appendSimple(nil, "OK"))
}

func (h *handler) await(j jobs.Job, c *jobevio.Conn, text []byte) error {
	text = bytes.Clone(text) // a job that is canceled returns before digest does
	sum, err := jobs.Await(j, func(ctx context.Context) (string, error) { return digest(ctx, text) })
	if err != nil {
		return err
	}
	return write(c, appendBulk(nil, sum))
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
