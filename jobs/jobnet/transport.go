package jobnet

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"bide/jobs"
	"bide/waitctx"
)

const (
	// maxPayload is how much is given to crypto/tls at a time: the records that
	// become of it are sent by one system call, and fit a queue.
	maxPayload = 32 << 10
	// maxQueue is the queue beyond which no more is read: what becomes of
	// maxPayload, and room for answers (KeyUpdate, alerts) to what was read.
	maxQueue = bufferSize + 4<<10
)

// lingerTime is how long Close tries to send what is queued.
var lingerTime = 5 * time.Second

// transport is the net.Conn that crypto/tls reads and writes. During the
// handshake it pauses the job. Afterwards nothing may pause inside crypto/tls,
// whose locks another job of the loop can want:
//
//   - Read answers ErrWouldBlock, after which tls.Conn goes on where it was.
//   - Write queues what the socket refuses, and never refuses for that. Errors
//     stick, as they do in crypto/tls.
type transport struct {
	c      *Conn
	job    jobs.Job // of the handshake under way
	corked bool     // queue only: flush follows
	muted  bool     // the queue is full, and reading has ceased
	armed  bool     // the write Watch has its function
	linger bool     // Close waits for the queue to empty
	out    *queue   // nil if it is empty
	err    error    // of a write
}

// queue is output that the socket has not taken yet.
type queue struct {
	b    []byte // in mem, unless it outgrew that
	sent int    // of b
	mem  buffer
}

var queues = sync.Pool{New: func() any { return new(queue) }}

func (q *queue) left() int { return len(q.b) - q.sent }

func (q *queue) add(b []byte) {
	if q.sent > 0 && len(q.b)+len(b) > cap(q.b) {
		q.b = q.b[:copy(q.b, q.b[q.sent:])]
		q.sent = 0
	}
	q.b = append(q.b, b...)
}

// Read is one read(2), if it need not wait: crypto/tls offers what is left of
// its buffer, and keeps what came besides what it wanted.
func (t *transport) Read(b []byte) (int, error) {
	handshake := t.job != (jobs.Job{})
	if !handshake && t.full() {
		return 0, ErrWouldBlock
	}
	for {
		if err := t.check(&t.c.rd); err != nil {
			return 0, t.c.opError("read", err)
		}
		n, e := t.c.recv(b)
		switch {
		case n > 0:
			return n, nil
		case e == 0:
			return 0, io.EOF
		case e != syscall.EAGAIN:
			return 0, t.c.opError("read", sysError("read", e))
		case !handshake:
			return 0, ErrWouldBlock
		}
		if err := t.c.wait(t.job, &t.c.rd); err != nil {
			return 0, t.c.opError("read", err)
		}
	}
}

// check is the connection's, but for deadlines: after the handshake they are
// for whoever waits outside crypto/tls.
func (t *transport) check(h *half) error {
	if t.job == (jobs.Job{}) {
		if t.c.life.isClosed() {
			return t.c.closedError()
		}
		return nil
	}
	return t.c.check(h)
}

// Write sends b, or queues it.
func (t *transport) Write(b []byte) (int, error) {
	if t.job != (jobs.Job{}) {
		n, err := t.c.write(t.job, b)
		return n, t.c.opError("write", err)
	}
	if t.err != nil {
		return 0, t.err
	}
	n := 0
	if !t.corked && t.out == nil {
		var e syscall.Errno
		if n, e = t.trySend(b); e == 0 {
			return len(b), nil
		} else if e != syscall.EAGAIN {
			t.fail(sysError("write", e))
			return n, t.err
		}
	}
	if t.out == nil {
		t.out = queues.Get().(*queue)
		t.out.b, t.out.sent = t.out.mem[:0], 0
	}
	t.out.add(b[n:])
	if !t.corked {
		t.arm()
	}
	return len(b), nil
}

// trySend is the connection's send, which may also finish after Close.
func (t *transport) trySend(b []byte) (int, syscall.Errno) {
	if t.c.stopped || len(b) == 0 {
		return 0, 0 // nobody is left to care
	}
	return t.c.send(b)
}

// full says that the peer makes us answer but does not take the answers.
func (t *transport) full() bool { return t.out != nil && t.out.left() > maxQueue }

// flush sends what the socket takes and reports whether the queue is empty now,
// by an error if need be.
func (t *transport) flush() bool {
	if t.out == nil {
		return true
	}
	n, e := t.trySend(t.out.b[t.out.sent:])
	t.out.sent += n
	switch {
	case e == syscall.EAGAIN:
		return false
	case e != 0:
		t.fail(sysError("write", e))
	default: // all: the queue is shorter than what one system call may write
		t.dropOut()
	}
	return true
}

// fail gives up writing.
func (t *transport) fail(err error) {
	t.err = t.c.opError("write", err)
	t.dropOut()
}

// dropOut ends a queue that is empty or was given up: its buffer goes back,
// reading goes on, and writability is of no interest.
func (t *transport) dropOut() {
	if t.out != nil {
		t.out.b = nil
		queues.Put(t.out)
		t.out = nil
	}
	if t.armed {
		t.armed = false
		t.c.out().w.SetFunc(nil)
	}
	if t.muted {
		t.mute(false)
	}
	if t.linger {
		t.c.teardown()
	}
}

// arm has the queue flushed as the socket takes it, when no job waits for that.
func (t *transport) arm() { t.armUntil(time.Time{}) }

// armUntil is arm, until end if Close waits. What started the function may be a
// deadline that was set before, so that its Reason does not tell.
func (t *transport) armUntil(end time.Time) {
	if t.armed {
		return
	}
	if err := t.c.watch(t.c.out()); err != nil {
		t.fail(err)
		return
	}
	t.armed = true
	t.c.out().w.SetFunc(func(j jobs.Job) error {
		j.SetName("flush")
		if !t.flush() && t.linger && !time.Now().Before(end) {
			t.c.teardown()
		}
		return nil
	})
}

// mute has readiness to read ignored while the queue is full, or no longer.
// Else it would start the reader once a turn, in vain.
func (t *transport) mute(on bool) {
	t.muted = on
	i := t.c.reads()
	if on {
		i = waitctx.Silent
	}
	t.c.rd.w.SetInterest((*reading)(&t.c.socket), i)
}

// closeSoon closes the connection when the queue is empty, or after a while.
func (t *transport) closeSoon() {
	c := t.c
	if t.flush() || c.life.isClosed() {
		c.closeNow()
		return
	}
	c.life.close() // calls fail; only the queue goes on
	t.linger = true
	c.rd.w.SetFunc(nil)
	c.rd.w.SetDeadline(started) // whoever waits finds the connection closed
	c.out().w.SetFunc(nil)
	c.out().w.SetDeadline(started)
	t.armed = false
	end := time.Now().Add(lingerTime)
	t.armUntil(end)
	c.out().w.SetDeadline(end)
}

// Close is for whoever has the TLSConn: crypto/tls's Close comes here, and so
// does nothing.
func (t *transport) Close() error         { return nil }
func (t *transport) LocalAddr() net.Addr  { return t.c.LocalAddr() }
func (t *transport) RemoteAddr() net.Addr { return t.c.RemoteAddr() }

// The deadlines that crypto/tls sets around its last alert are not for a Write
// that never waits.

func (t *transport) SetDeadline(time.Time) error      { return nil }
func (t *transport) SetReadDeadline(time.Time) error  { return nil }
func (t *transport) SetWriteDeadline(time.Time) error { return nil }
