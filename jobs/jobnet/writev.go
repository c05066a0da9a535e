package jobnet

import (
	"net"
	"syscall"

	"bide/jobs"
)

// BuffersWriter is what a Conn and the views have besides net.Conn, to write
// several buffers with one writev(2), or one record of TLS. net.Buffers.WriteTo does
// that only for the connections of package net.
type BuffersWriter interface {
	// WriteBuffers writes all of v, and takes from v what was written. Other
	// calls that write do not come in between.
	WriteBuffers(v *net.Buffers) (int64, error)
}

var _, _, _ BuffersWriter = (*Conn)(nil), (*view)(nil), (*tlsView)(nil)

// maxBuffers is how many buffers one system call writes.
const maxBuffers = 32

// WriteBuffers writes all of v, and takes from v what was written. It is for
// goroutines other than the loop's; in a job, assert a BuffersWriter from In.
func (c *Conn) WriteBuffers(v *net.Buffers) (n int64, err error) {
	err = errLost
	if e := c.run(func(j jobs.Job) { n, err = c.writeBuffers(j, v) }); e != nil {
		err = e
	}
	return n, c.opError("writev", err)
}

func (v *view) WriteBuffers(b *net.Buffers) (int64, error) {
	n, err := v.writeBuffers(v.j, b)
	return n, v.opError("writev", err)
}

// writeBuffers is WriteBuffers in a job.
func (c *Conn) writeBuffers(j jobs.Job, v *net.Buffers) (n int64, err error) {
	l, err := c.lockWrites(j)
	if err != nil {
		return 0, err
	}
	defer l.unlock()
	consume(v, 0)
	if err := c.checkWrite(); err != nil || len(*v) == 0 {
		return 0, err
	}
	for {
		m, e := c.sendv(*v)
		n += int64(m)
		if consume(v, m); len(*v) == 0 {
			return n, nil
		}
		if err := l.pause(j, "writev", e); err != nil {
			return n, err
		}
	}
}

// sendv is send of the first few buffers, of which the first is not empty.
func (c *Conn) sendv(v net.Buffers) (int, syscall.Errno) {
	var few [maxBuffers][]byte
	k, size := 0, 0
	for _, b := range v {
		if k == maxBuffers || size == maxIO {
			break
		}
		if b = b[:min(len(b), maxIO-size)]; len(b) > 0 {
			few[k] = b
			k++
			size += len(b)
		}
	}
	n, size, e := sysWritev(c.fd(), few[:k])
	if e == 0 && n < size {
		e = syscall.EAGAIN
	}
	return n, e
}

// consume takes the first n bytes from v, and the empty buffers after them.
func consume(v *net.Buffers, n int) {
	for len(*v) > 0 {
		first := &(*v)[0]
		if n < len(*first) {
			*first = (*first)[n:]
			return
		}
		n -= len(*first)
		*first = nil
		*v = (*v)[1:]
	}
}

// writeBuffers is WriteBuffers in a job.
func (t *TLSConn) writeBuffers(j jobs.Job, v *net.Buffers) (n int64, err error) {
	c := t.t.c
	if err := c.lock(j, &t.wmu); err != nil {
		return 0, c.opError("write", err)
	}
	defer t.wmu.Unlock()
	if err := t.drain(j); err != nil { // of what an earlier call left
		return 0, err
	}
	for consume(v, 0); len(*v) > 0; {
		m, err := t.putv(j, *v)
		n += int64(m)
		if consume(v, m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// putv is put of the first few buffers, copied together unless the first will do.
func (t *TLSConn) putv(j jobs.Job, v net.Buffers) (int, error) {
	if first := v[0]; len(v) == 1 || len(first) >= maxPayload {
		return t.put(j, first[:min(len(first), maxPayload)])
	}
	mem := buffers.Get().(*buffer)
	defer buffers.Put(mem)
	n := 0
	for _, b := range v {
		if n += copy(mem[n:maxPayload], b); n == maxPayload {
			break
		}
	}
	return t.put(j, mem[:n])
}
