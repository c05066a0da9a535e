package main

import (
	"errors"
	"os"
	"syscall"
	"time"

	"bide/jobs"
	"bide/jobs/jobnet"
)

// lingerTime is how long a client may go on to send what nobody takes.
const lingerTime = 5 * time.Second

// conn is a proxied connection. Its fields belong to the loop.
type conn struct {
	loop     *loop
	raw      *jobnet.Conn // the client's socket
	client   *jobnet.TLSConn
	backend  *jobnet.Conn
	up, down direction
	heard    bool // the client has said something
	refused  bool // the backend takes no more, though the client has not ended
	reset    bool // a write has heard that the backend cut its stream
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
		l.handshakeErrors.add(err)
		c.close()
		return nil
	}
	if c.backend, err = c.dial(j); err != nil {
		l.backendErrors.add(err)
		c.abort()
		return nil
	}
	if c.closed { // meanwhile: by -idle-timeout or the end of a drain
		c.backend.Close()
		return nil
	}
	l.served.Add(1)
	keepLittle(c.raw)
	keepLittle(c.backend)
	c.touch()
	c.up.conn, c.down.conn = c, c
	c.backend.ReadWatch().SetFunc(c.down.run)
	// What came with the client's last handshake message is inside crypto/tls,
	// where no readiness announces it. So the first run is a job of its own: not
	// this one, whose priority is low.
	l.sched.Go(c.up.first)
	return nil
}

// dial connects to the backend. If there is no descriptor for it, the client waits
// until a connection that is served gives up its own, unless as many wait already as
// are served: all might wait for each other.
func (c *conn) dial(j jobs.Job) (*jobnet.Conn, error) {
	l := c.loop
	waits := false
	defer func() {
		if waits {
			l.starved.Add(-1)
		}
	}()
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		b, err := jobnet.DialIn(j, "tcp", l.proxy.backend)
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return b, err
		}
		if !waits {
			if l.starved.Load() >= l.served.Load() {
				return nil, err
			}
			waits = true
			l.starved.Add(1)
		}
		if j.Sleep(backoff) != nil || c.closed {
			return nil, err
		}
	}
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

// close ends the connection once both sides have all that there was for them.
func (c *conn) close() {
	if !c.leave() {
		return
	}
	if c.client != nil {
		c.client.Close()
	} else {
		c.raw.Close()
	}
	if c.backend != nil {
		c.backend.Close()
	}
}

// abort ends the connection by a reset of both sides, which tells them that what
// they have is not all. An end of the stream would say that it is.
func (c *conn) abort() {
	if !c.leave() {
		return
	}
	if c.client != nil {
		c.client.Abort()
	} else {
		c.raw.Abort()
	}
	if c.backend != nil {
		c.backend.Abort()
	}
}

// leave takes the connection out of the books before it is closed, unless it is out
// already. Jobs paused in it get an error.
func (c *conn) leave() bool {
	if c.closed {
		return false
	}
	c.closed = true
	c.up.hangUp.Stop() // before the descriptor is closed
	c.down.hangUp.Stop()
	if c.backend != nil {
		c.loop.served.Add(-1)
	}
	c.loop.conns.remove(c)
	c.loop.closed.Add(1)
	c.loop.released()
	return true
}

// linger ends a connection whose backend is gone, and whose client was sent all of
// its answer. What the client still sends is read and dropped for a while: a close
// with bytes unread is a reset, which may overtake the answer.
func (c *conn) linger() {
	if w := c.raw.ReadWatch(); !c.closed {
		w.SetFunc(c.discard)
		w.SetDeadline(time.Now().Add(lingerTime))
	}
}

// discard is started when there is something to drop, and when lingerTime is over.
func (c *conn) discard(j jobs.Job) error {
	if errors.Is(j.Reason(), os.ErrDeadlineExceeded) {
		c.close()
		return nil
	}
	buf := c.loop.borrow()
	defer c.loop.giveBack(buf)
	for range fillsPerRun {
		if _, err := c.raw.TryRead(buf); errors.Is(err, jobnet.ErrWouldBlock) {
			return nil
		} else if err != nil { // the end, or a reset: neither is anybody's concern now
			c.close()
			return nil
		}
	}
	return nil // and is started again if there is more
}
