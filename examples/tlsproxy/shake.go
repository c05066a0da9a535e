package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"bide/jobs"
)

// hello is started when a client's first bytes are there, or did not come in
// time. Until then its connection is a descriptor and a registration.
func (c *conn) hello(j jobs.Job) error {
	c.heard = true
	w := c.raw.ReadWatch()
	w.SetFunc(nil)
	w.SetDeadline(time.Time{})
	l := c.loop
	if errors.Is(j.Reason(), os.ErrDeadlineExceeded) {
		l.handshakeErrors.add(fmt.Errorf("%v said nothing in %v", c.raw.RemoteAddr(), l.handshakeTimeout))
		c.close()
		return nil
	}
	l.fresh = append(l.fresh, c)
	if !l.shaking {
		l.shaking = true
		l.sched.GoLow(l.shake)
	}
	return nil
}

// shake begins the handshakes of clients that have said hello: one each time the
// handshakes under way have had their turn. A burst that began all of its
// handshakes before it went on with the first would need memory for all of them
// at a time, and leave the heap full of holes.
func (l *loop) shake(j jobs.Job) error {
	j.SetName("shake")
	defer func() { l.shaking = false }()
	for len(l.fresh) > 0 {
		c := l.fresh[0]
		l.fresh[0] = nil
		l.fresh = l.fresh[1:]
		if !c.closed {
			l.sched.GoLow(c.open)
		}
		if err := j.Sleep(0); err != nil {
			return err
		}
	}
	l.fresh = nil
	return nil
}
