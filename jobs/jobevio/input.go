//go:build linux || darwin || freebsd

package jobevio

import (
	"errors"

	"bide/jobs"
)

var errTaken = errors.New("jobevio: Handle took more than there is")

// receive takes what evio has read.
func (c *Conn) receive(in []byte) {
	switch {
	case c.closing || c.broken:
	case c.busy():
		c.store(in)
		c.arrived.Signal()
		c.bound()
	default:
		c.offer(in)
	}
}

// offer has the server take the input, with what it had left before.
func (c *Conn) offer(in []byte) {
	switch {
	case c.closing || c.broken || c.closed:
	case c.l.r.Handle != nil:
		c.handle(in)
	default:
		c.feed(in)
	}
}

// feed hands the input to Data, and keeps what that leaves.
func (c *Conn) feed(in []byte) {
	kept := c.in
	if len(kept) > 0 {
		kept = append(kept, in...)
		in = kept
	}
	c.in = nil // a job that Data starts reads what Data leaves
	n := 0
	if c.l.r.Data != nil {
		n = c.l.r.Data(c, in)
	}
	defer c.l.suspect()
	if n < 0 || n > len(in) {
		panic("jobevio: Data took more than there is")
	}
	if rest := in[n:]; len(rest) > 0 {
		c.in = append(kept[:0], rest...)
		c.arrived.Signal()
		c.bound()
	} else if cap(kept) <= keep {
		c.in = kept[:0]
	}
}

// handle has jobs of Handle take what there is.
func (c *Conn) handle(in []byte) {
	if c.at > 0 { // no request has a part of it now
		c.in, c.at = append(c.in[:0], c.in[c.at:]...), 0
	}
	c.store(in)
	c.start(c.request)
}

// requests has a job of Handle for each request, as long as there are any.
func (c *Conn) requests(j jobs.Job) (err error) {
	err = jobs.ErrGoexit // or a panic
	defer func() {
		c.ended(err)
		c.tidy()
	}()
	for {
		in := c.in[c.at:len(c.in):len(c.in)]
		c.job, c.lent = j, len(in)
		n, failed := c.l.r.Handle(j, c, in)
		switch {
		case failed != nil:
			return c.excuse(failed)
		case n < 0 || n > len(in):
			return errTaken
		case c.closing || c.closed:
			return nil
		}
		c.at, c.lent = c.at+n, 0
		// What is not complete waits for more.
		if left := len(c.in) - c.at; left == 0 || n == 0 && left == len(in) || c.flushing {
			return nil
		}
		if j, failed = j.Renew(); failed != nil {
			return nil // closed by somebody else
		}
	}
}

// tidy is for what a request has left, if none follows at once.
func (c *Conn) tidy() {
	switch {
	case c.closing || c.closed:
	case c.at < len(c.in):
		c.bound()
	case cap(c.in) > keep:
		c.in, c.at = nil, 0
	default:
		c.in, c.at = c.in[:0], 0
	}
}

// store keeps what has arrived. A request under way keeps its bytes where they
// are, and those of earlier ones are not copied.
func (c *Conn) store(in []byte) {
	if c.at > 0 && len(c.in)+len(in) > cap(c.in) {
		c.in, c.at = c.in[c.at:len(c.in):len(c.in)], 0
	}
	c.in = append(c.in, in...)
}

// bound closes a connection that holds too much.
func (c *Conn) bound() {
	if len(c.in)-c.at > c.l.r.MaxInput {
		c.l.r.Failed(c.name(), ErrInput)
		c.abort()
	}
}
