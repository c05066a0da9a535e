package main

import (
	"errors"
	"io"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// fillsPerRun is after how many buffers a direction lets the others go on.
const fillsPerRun = 8

// conn is a proxied connection. Its fields belong to the loop.
type conn struct {
	loop     *loop
	raw      *jobnet.Conn // the client's socket
	client   *jobnet.TLSConn
	backend  *jobnet.Conn
	up, down direction
	heard    bool // the client has said something
	closed   bool

	active     int64 // loop.now when it began or, with -idle-timeout, last carried anything
	prev, next *conn // in loop.conns
}

// open is the job that a connection begins with: the handshake, the dial of the
// backend, and then the stackless rest.
func (c *conn) open(j jobs.Job) error {
	l := c.loop
	j.SetName(c.name())
	if l.handshakeTimeout > 0 {
		j.SetDeadline(time.Now().Add(l.handshakeTimeout))
	}
	var err error
	c.client, err = jobnet.ServerTLS(j, c.raw, l.config)
	if err != nil {
		l.handshakeErrors.Add(1)
		c.close()
		return nil
	}
	if c.backend, err = jobnet.DialIn(j, "tcp", l.proxy.backend); err != nil {
		l.backendErrors.Add(1)
		c.close()
		return nil
	}
	if c.closed { // meanwhile: by -idle-timeout or the end of a drain
		c.backend.Close()
		return nil
	}
	c.touch()
	c.up.conn, c.down.conn = c, c
	c.backend.ReadWatch().SetFunc(c.down.run)
	// What came with the client's last handshake message is inside crypto/tls,
	// where no readiness announces it. So the first run is a job of its own: not
	// this one, whose priority is low.
	l.sched.Go(c.up.first)
	return nil
}

// name is what listings call the connection's jobs.
func (c *conn) name() string { return "open " + c.raw.RemoteAddr().String() }

// touch notes that the connection is open, or carried something. One that was
// closed meanwhile is off the list, and stays so: a sweep would never come to an end
// with it.
func (c *conn) touch() {
	if c.loop.idleTimeout > 0 && !c.closed {
		c.active = c.loop.now()
		c.loop.conns.remove(c)
		c.loop.conns.pushBack(c)
	}
}

// close ends the connection. Jobs paused in it get an error.
func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	if c.client != nil {
		c.client.Close()
	} else {
		c.raw.Close()
	}
	if c.backend != nil {
		c.backend.Close()
	}
	c.loop.conns.remove(c)
	c.loop.closed.Add(1)
	c.loop.released()
}

// direction carries the bytes one way. No job is active on it while there is
// nothing to carry.
type direction struct {
	conn  *conn
	ended bool
}

func (d *direction) isUp() bool { return d == &d.conn.up }

func (d *direction) from() side {
	if d.isUp() {
		return clientSide{d.conn.client}
	}
	return backendSide{d.conn.backend}
}

func (d *direction) to() side {
	if d.isUp() {
		return backendSide{d.conn.backend}
	}
	return clientSide{d.conn.client}
}

// carried counts bytes. A run may take long over them, where the other side is
// slow.
func (d *direction) carried(n int) {
	d.conn.touch()
	if d.isUp() {
		d.conn.loop.bytesUp.Add(uint64(n))
	} else {
		d.conn.loop.bytesDown.Add(uint64(n))
	}
}

// first copies what has come already, and leaves the rest to readiness.
func (d *direction) first(j jobs.Job) error {
	err := d.run(j)
	if !d.ended && !d.conn.closed {
		d.from().watch().SetFunc(d.run)
	}
	return err
}

// run copies until there is nothing left to read. It pauses when the other side
// takes no more, and every few buffers for the sake of the other jobs.
func (d *direction) run(j jobs.Job) error {
	buf := d.conn.loop.borrow()
	defer d.conn.loop.giveBack(buf)
	from, to := d.from(), d.to()
	for fills := 1; ; fills++ {
		n, err := fill(from, buf)
		if n > 0 {
			if err := to.write(j, buf[:n]); err != nil {
				d.refused()
				return nil
			}
			d.carried(n)
		}
		switch {
		case err == nil:
		case errors.Is(err, jobnet.ErrWouldBlock):
			return nil
		case err == io.EOF:
			d.end(j)
			return nil
		default:
			d.conn.close()
			return nil
		}
		if fills%fillsPerRun == 0 {
			if err := j.Sleep(0); err != nil {
				d.conn.close()
				return nil
			}
		}
	}
}

// fill reads what there is, as far as buf has room for it.
func fill(from side, buf []byte) (n int, err error) {
	for err == nil && n < len(buf) {
		var m int
		m, err = from.read(buf[n:])
		n += m
	}
	return n, err
}

// end passes the end of the stream on. The other direction goes on, until it
// has come to its own.
func (d *direction) end(j jobs.Job) {
	d.stop()
	if err := d.to().closeWrite(j); err != nil || d.conn.up.ended && d.conn.down.ended {
		d.conn.close()
	}
}

// refused ends a direction whose receiver is gone. A backend may have answered
// before it went, and the client is to have the answer; a client that is gone
// needs nothing more.
func (d *direction) refused() {
	d.stop()
	if !d.isUp() || d.conn.down.ended {
		d.conn.close()
	}
}

// stop leaves the source alone from now on.
func (d *direction) stop() {
	d.ended = true
	if !d.conn.closed {
		d.from().watch().SetFunc(nil)
	}
}
