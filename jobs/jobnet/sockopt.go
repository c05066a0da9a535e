package jobnet

// CloseWrite tells the peer that nothing follows; reading goes on.
func (c *Conn) CloseWrite() error {
	return c.opError("close", c.control(func(fd int) error { return sysShutdown(fd, true) }))
}

// CloseRead ends reading: reads return io.EOF.
func (c *Conn) CloseRead() error {
	err := c.control(func(fd int) error { return sysShutdown(fd, false) })
	if err == nil && sysShutdownIsSilent {
		c.s.Post(func() { c.nudge() })
	}
	return c.opError("close", err)
}

// SetNoDelay turns Nagle's algorithm off (the default) or on.
func (c *Conn) SetNoDelay(noDelay bool) error {
	return c.opError("set", c.control(func(fd int) error { return sysNoDelay(fd, noDelay) }))
}

// SetKeepAlive turns keep-alive probes on (the default) or off.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.opError("set", c.control(func(fd int) error { return sysKeepAlive(fd, keepalive) }))
}

// SetLinger sets SO_LINGER as net.TCPConn has it: sec < 0 for the system's
// default, 0 to discard what was not sent. With sec > 0 the close blocks the loop
// for as long as it lingers.
func (c *Conn) SetLinger(sec int) error {
	return c.opError("set", c.control(func(fd int) error { return sysLinger(fd, sec) }))
}

// SetReadBuffer sets the size, in bytes, of what the system keeps of the peer's
// bytes until they are read (SO_RCVBUF). Linux gives twice that, see socket(7).
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.opError("set", c.control(func(fd int) error { return sysBuffer(fd, bytes, false) }))
}

// SetWriteBuffer sets the size, in bytes, of what the system keeps of what was
// written until it is sent (SO_SNDBUF). Linux gives twice that, see socket(7).
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.opError("set", c.control(func(fd int) error { return sysBuffer(fd, bytes, true) }))
}
