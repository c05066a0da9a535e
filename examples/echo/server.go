package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second

	readsPerRun = 16 // with -stackless; then other jobs go on
)

type server struct {
	addr      string // that the loops listen on
	stackless bool
	out       io.Writer
}

// accept begins a job for each connection. When accepting fails, most likely
// for want of descriptors, it tries again later.
func (s *server) accept(j jobs.Job, l *jobnet.Listener) error {
	j.SetName("accept")
	backoff := minBackoff
	for {
		c, err := l.AcceptIn(j)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil // the server ends
		case err != nil:
			fmt.Fprintf(s.out, "echo: %v; trying again in %v\n", err, backoff)
			if err := j.Sleep(backoff); err != nil {
				return nil
			}
			backoff = min(2*backoff, maxBackoff)
			continue
		case s.stackless:
			c.ReadWatch().SetFunc(func(j jobs.Job) error { return rest(j, c) })
		default:
			j.Scheduler().Go(func(j jobs.Job) error { return echo(j, c) })
		}
		backoff = minBackoff
	}
}

// echo is the job of a connection. It pauses in Read when there is nothing to
// read, and in Write when the peer takes no more.
//
// All of a loop's jobs read into the loop's one buffer: what is in it holds
// until the job pauses.
func echo(j jobs.Job, c *jobnet.Conn) error {
	conn := c.In(j)
	defer conn.Close()
	buf := j.Scheduler().Buffer()
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return ended(err)
		}
		if err := send(j, c, buf[:n]); err != nil {
			return err
		}
	}
}

// rest is started when a connection at rest has something to read. It returns
// when there is nothing more.
func rest(j jobs.Job, c *jobnet.Conn) error {
	buf := j.Scheduler().Buffer()
	for range readsPerRun {
		n, err := c.TryRead(buf)
		if err == nil {
			err = send(j, c, buf[:n])
		} else if errors.Is(err, jobnet.ErrWouldBlock) {
			return nil
		}
		if err != nil {
			c.In(j).Close()
			return ended(err)
		}
	}
	return nil
}

// send writes b, which is in the loop's buffer. What the peer does not take at
// once moves out of it, since waiting for the peer means to pause.
func send(j jobs.Job, c *jobnet.Conn, b []byte) error {
	n, err := c.TryWrite(b)
	if err != nil && errors.Is(err, jobnet.ErrWouldBlock) {
		_, err = c.In(j).Write(append([]byte(nil), b[n:]...))
	}
	return err
}

// ended is the error of a connection at its end, which io.EOF is not.
func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
