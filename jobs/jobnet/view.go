package jobnet

import (
	"net"
	"time"

	"bide/jobs"
)

// In returns the view of c whose calls pause j, a job of c's Scheduler. It has
// WriteBuffers besides, and those methods of Conn that do not wait, such as CloseWrite.
// For the zero Job it is c itself, so that the same code runs outside a job.
//
// The view is cheap, and j's alone: in another job reads and writes fail where they
// would have to pause, and once j has ended all of them fail. So a bufio.Reader over
// it cannot go from one job to the next. Its Close and deadlines are loop only, other
// than c's own, so crypto/tls must not be given a context that can be done, since it
// closes from a goroutine then: see ServerTLS.
func (c *Conn) In(j jobs.Job) net.Conn {
	if j == (jobs.Job{}) {
		return c
	}
	return &view{c, j}
}

// WriteIn writes all of b, pausing j while the socket is full: Write of the view
// without making one. After an error a part of b may have been sent.
func (c *Conn) WriteIn(j jobs.Job, b []byte) error {
	if j == (jobs.Job{}) {
		_, err := c.Write(b)
		return err
	}
	_, err := c.write(j, b)
	return c.opError("write", err)
}

// view is a Conn whose calls pause a job. What does not wait it has from Conn.
type view struct {
	*Conn
	j jobs.Job
}

func (v *view) Read(b []byte) (int, error) {
	n, err := v.read(v.j, b)
	return n, v.opError("read", err)
}

func (v *view) Write(b []byte) (int, error) {
	n, err := v.write(v.j, b)
	return n, v.opError("write", err)
}

func (v *view) Close() error {
	if !v.closeNow() {
		return v.opError("close", net.ErrClosed)
	}
	return nil
}

func (v *view) SetDeadline(t time.Time) error {
	return v.opError("set", v.setDeadlinesNow(t, &v.rd, v.outFor(t)))
}

func (v *view) SetReadDeadline(t time.Time) error {
	return v.opError("set", v.setDeadlinesNow(t, &v.rd))
}

func (v *view) SetWriteDeadline(t time.Time) error {
	return v.opError("set", v.setDeadlinesNow(t, v.outFor(t)))
}
