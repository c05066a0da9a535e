package main

import (
	"container/list"
	"errors"
	"io"
	"os"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// readsPerRun is after how many reads a direction lets the others go on.
const readsPerRun = 8

// conn is a proxied connection. Its fields belong to the loop.
type conn struct {
	loop     *loop
	raw      *jobnet.Conn // the client's socket
	client   *jobnet.TLSConn
	backend  *jobnet.Conn
	up, down direction
	closed   bool

	place  *list.Element // in loop.conns
	active time.Time     // when it last carried anything, with -idle-timeout
}

// open is the job that a connection begins with: the handshake, the dial of the
// backend, and then the stackless rest.
func (c *conn) open(j jobs.Job) error {
	l := c.loop
	j.SetName("open " + c.raw.RemoteAddr().String())
	if l.handshakeTimeout > 0 {
		t := time.AfterFunc(l.handshakeTimeout, func() { j.Cancel(os.ErrDeadlineExceeded) })
		defer t.Stop()
	}
	var err error
	if c.client, err = jobnet.ServerTLS(j, c.raw, l.config); err != nil {
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
	client, backend := clientSide{c.client}, backendSide{c.backend}
	c.up = direction{conn: c, from: client, to: backend, bytes: &l.bytesUp}
	c.down = direction{conn: c, from: backend, to: client, bytes: &l.bytesDown}
	backend.watch().SetFunc(c.down.run)
	// What came with the client's last handshake message is inside crypto/tls,
	// where no readiness announces it. So the first run is a job of its own: not
	// this one, whose priority is low.
	l.sched.Go(c.up.first)
	return nil
}

// touch notes that the connection carried something.
func (c *conn) touch() {
	if c.loop.idleTimeout > 0 {
		c.active = time.Now()
		c.loop.conns.MoveToBack(c.place)
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
	c.loop.conns.Remove(c.place)
	c.loop.closed.Add(1)
	c.loop.released()
}

// direction carries the bytes one way. No job is active on it while there is
// nothing to carry.
type direction struct {
	conn     *conn
	from, to side
	bytes    interface{ Add(uint64) uint64 }
	ended    bool
}

// first copies what has come already, and leaves the rest to readiness.
func (d *direction) first(j jobs.Job) error {
	err := d.run(j)
	if !d.ended && !d.conn.closed {
		d.from.watch().SetFunc(d.run)
	}
	return err
}

// run copies until there is nothing left to read. It pauses when the other side
// takes no more, and every few reads for the sake of the other jobs.
func (d *direction) run(j jobs.Job) error {
	buf := d.conn.loop.borrow()
	defer d.conn.loop.giveBack(buf)
	d.conn.touch()
	for reads := 1; ; reads++ {
		n, err := d.from.read(buf)
		if n > 0 {
			if err := d.to.write(j, buf[:n]); err != nil {
				d.refused()
				return nil
			}
			d.bytes.Add(uint64(n))
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
		if reads%readsPerRun == 0 {
			d.conn.touch()
			if err := j.Sleep(0); err != nil {
				d.conn.close()
				return nil
			}
		}
	}
}

// end passes the end of the stream on. The other direction goes on, until it
// has come to its own.
func (d *direction) end(j jobs.Job) {
	d.stop()
	if err := d.to.closeWrite(j); err != nil || d.conn.up.ended && d.conn.down.ended {
		d.conn.close()
	}
}

// refused ends a direction whose receiver is gone. A backend may have answered
// before it went, and the client is to have the answer; a client that is gone
// needs nothing more.
func (d *direction) refused() {
	d.stop()
	if d == &d.conn.down || d.conn.down.ended {
		d.conn.close()
	}
}

// stop leaves the source alone from now on.
func (d *direction) stop() {
	d.ended = true
	if !d.conn.closed {
		d.from.watch().SetFunc(nil)
	}
}
