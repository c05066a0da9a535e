package jobnet

import (
	"net"
	"syscall"

	"bide/jobs"
)

// send is one write(2). One that took less than it was given found the socket
// full, which is EAGAIN.
func (c *Conn) send(b []byte) (int, syscall.Errno) {
	b = b[:min(len(b), maxIO)]
	n, e := sysWrite(c.fd(), b)
	if e == 0 && n < len(b) {
		e = syscall.EAGAIN
	}
	return n, e
}

// write is Write in a job.
func (c *Conn) write(j jobs.Job, b []byte) (n int, err error) {
	l, err := c.lockWrites(j)
	if err != nil {
		return 0, err
	}
	defer l.unlock()
	if err := c.checkWrite(); err != nil || len(b) == 0 {
		return 0, err
	}
	for {
		m, e := c.send(b[n:])
		if n += m; n == len(b) {
			return n, nil
		}
		if err := l.pause(j, "write", e); err != nil {
			return n, err
		}
	}
}

// writeLock keeps the bytes of a call that writes together. Only one that pauses
// can be disturbed. So the lock lies with what a connection has once it did, and
// until then none is needed.
type writeLock struct {
	c  *Conn
	mu *jobs.Mutex // nil: not held
}

// lockWrites waits until no other call is in the middle of its writing.
func (c *Conn) lockWrites(j jobs.Job) (writeLock, error) {
	l := writeLock{c: c}
	if err := c.breathe(j); err != nil {
		return l, err
	}
	if o := c.wr.Load(); o != nil {
		if err := c.lock(j, &o.mu); err != nil {
			return l, err
		}
		l.mu = &o.mu
	}
	return l, nil
}

// pause is called when not all has been written, with what the system call
// said. It pauses j if need be, and says whether to go on.
func (l *writeLock) pause(j jobs.Job, call string, e syscall.Errno) error {
	c := l.c
	if e != 0 && e != syscall.EAGAIN {
		return sysError(call, e)
	}
	if e == 0 && !c.tired() {
		return c.checkWrite()
	}
	out := c.out()
	if l.mu == nil {
		l.mu = &c.wr.Load().mu
		l.mu.TryLock() // it is free: nobody has paused since this call began
	}
	err := error(nil)
	if e == 0 {
		err = c.rest(j)
	} else {
		err = c.wait(j, out)
	}
	if err == nil {
		err = c.checkWrite()
	}
	return err
}

func (l *writeLock) unlock() {
	if l.mu != nil {
		l.mu.Unlock()
	}
}

// lock locks m for a call of j. Whoever holds it stops at the deadline and at
// Close, so a call that waits here comes to both in time.
func (k *socket) lock(j jobs.Job, m *jobs.Mutex) error {
	if j.Scheduler() != k.s {
		return foreign(j)
	}
	if m.TryLock() {
		return nil
	}
	err := m.Lock(j)
	if err != nil && k.life.isClosed() {
		return net.ErrClosed
	}
	return waitError(err)
}
