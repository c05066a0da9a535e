//go:build linux || darwin || freebsd

package jobevio

// Live is the number of jobs of the connection's loop, flushing ones included.
func (c *Conn) Live() int { return c.l.s.Live() }

// FD is the connection's descriptor.
func (c *Conn) FD() int { return c.fd }

// Held is what evio has taken over of the connection's output.
func (c *Conn) Held() int { return len(*c.inner.out) }

// Buffer is all of the connection's input buffer.
func (c *Conn) Buffer() []byte { return c.in[:cap(c.in)] }
