//go:build linux || darwin || freebsd

package jobevio

import (
	"errors"
	"net"

	"bide/jobs"
	"bide/waitctx"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

// keep is how large an empty buffer may be to be kept.
const keep = 4 << 10

var errNotOwn = errors.New("jobevio: not the connection's job")

// Conn is a connection. Its methods belong to its loop: to the Server's
// functions and to jobs of the same loop. Post alone is anybody's.
type Conn struct {
	inner
	ec    evio.Conn
	l     *loop
	ctx   any
	index int // in l.conns

	in      []byte    // arrived and not taken, from at on
	at      int       // 0 but for Handle, whose requests keep their bytes
	lent    int       // what the request under way was given, from at on
	arrived jobs.Cond // more did, or the end
	out     []byte    // to be written, from done on
	done    int
	written jobs.Cond // flushing has ended

	fn       func(jobs.Job) error // of Go
	body     func(jobs.Job) error // run, as a value
	request  func(jobs.Job) error // requests, as a value
	job      jobs.Job
	live     bool // the job has not ended
	paused   bool // Go told so: Data is due once it has
	flushing bool // a job writes out
	alone    bool // that is flusher: nobody waits for the output
	flusher  jobs.Job

	dirty   bool // on l.dirty
	pending bool // on l.ended
	closing bool // once everything is written
	broken  bool // writing failed, or too much arrived: close at once
	closed  bool
}

// Context returns what SetContext stored.
func (c *Conn) Context() any { return c.ctx }

// SetContext stores a value of the caller's.
func (c *Conn) SetContext(v any) { c.ctx = v }

// AddrIndex is the index of the address in Serve's list.
func (c *Conn) AddrIndex() int { return c.ec.AddrIndex() }

// LocalAddr is the connection's local address.
func (c *Conn) LocalAddr() net.Addr { return c.ec.LocalAddr() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.ec.RemoteAddr() }

// Go, for Opened and Data, starts fn as the connection's job and, unless called
// from a job, runs it until it pauses on something that is not there yet. It
// reports whether fn has returned; if not, Data is called again when it has. A
// connection has one job at a time, Handle's included (waitctx.ErrBusy). A job that
// fails closes its connection, and when the connection is closed its waits return
// jobs.ErrCanceled.
func (c *Conn) Go(fn func(jobs.Job) error) (ended bool, err error) {
	switch {
	case c.closed || c.closing:
		return false, net.ErrClosed
	case c.live:
		return false, waitctx.ErrBusy
	}
	c.fn = fn
	return c.start(c.body)
}

// start starts the connection's job.
func (c *Conn) start(body func(jobs.Job) error) (ended bool, err error) {
	l := c.l
	c.live, c.paused = true, l.stepping
	if l.stepping { // in a job, and this one waits for its turn
		if c.job = l.s.Go(body); c.job == (jobs.Job{}) {
			c.live, err = false, jobs.ErrClosed
		}
		return false, err
	}
	l.stepping = true
	_, err = l.s.Start(body)
	l.stepping = false
	c.live = c.live && err == nil
	c.paused = c.live
	return !c.live, err
}

// run is the job.
func (c *Conn) run(j jobs.Job) (err error) {
	c.job = j
	err = jobs.ErrGoexit // or a panic
	defer func() {
		if c.ended(err); c.paused {
			c.due()
		}
	}()
	err = c.excuse(c.fn(j))
	return err
}

// ended is called when the job has.
func (c *Conn) ended(err error) {
	if err != nil && c.job.Name() == "" { // for Failed
		c.job.SetName(c.RemoteAddr().String())
	}
	c.live, c.fn, c.lent = false, nil, 0
	if err != nil && !c.closed {
		c.closing = true
	}
	c.mark()
}

// excuse lets a job whose connection has ended say so: peers may leave.
func (c *Conn) excuse(err error) error {
	if (c.closed || c.broken) && (errors.Is(err, jobs.ErrCanceled) || errors.Is(err, net.ErrClosed)) {
		return nil
	}
	return err
}

// Write queues p, and never pauses: p is written when the callback or the job's
// turn ends, or by Flush. After Close it returns net.ErrClosed.
func (c *Conn) Write(p []byte) (int, error) {
	if c.closed || c.closing {
		return 0, net.ErrClosed
	}
	c.out = append(c.out, p...)
	c.mark()
	return len(p), nil
}

// Flush pauses j, the connection's job, until the socket has taken everything
// that was written.
func (c *Conn) Flush(j jobs.Job) error {
	if !c.live || j != c.job {
		return errNotOwn
	}
	for c.flushing {
		if err := c.written.Wait(j); err != nil {
			return err
		}
	}
	return c.drain(j)
}

// Read reads what has arrived after what Data has taken or Handle was given,
// pausing j, the connection's job, until there is something. Once the connection is
// closed, by the peer too, it returns jobs.ErrCanceled or net.ErrClosed; io.EOF it
// never returns.
func (c *Conn) Read(j jobs.Job, p []byte) (int, error) {
	if !c.live || j != c.job {
		return 0, errNotOwn
	}
	for len(c.in) == c.at+c.lent && len(p) > 0 {
		if c.closed {
			return 0, net.ErrClosed
		}
		if err := c.arrived.Wait(j); err != nil {
			return 0, err
		}
	}
	from := c.at + c.lent
	n := copy(p, c.in[from:])
	c.in = append(c.in[:from], c.in[from+n:]...)
	return n, nil
}

// Post runs fn on the connection's loop, between jobs, where it may use what belongs
// to the loop. Any goroutine may call it, another loop's too. It reports false once
// Serve has ended; a loop that has no connection left runs fn when it has one.
func (c *Conn) Post(fn func()) bool { return c.l.s.Post(fn) }

// Close closes the connection once what was written has left. What arrives from
// now on is dropped.
func (c *Conn) Close() {
	c.closing = true
	c.mark()
}

// busy reports whether input must wait.
func (c *Conn) busy() bool { return c.live || c.flushing }

// mark has the connection seen to at the end of the turn.
func (c *Conn) mark() {
	if !c.dirty && !c.closed {
		c.dirty = true
		c.l.dirty = append(c.l.dirty, c)
	}
}

// due has Data called with what it left, after a job that it could not wait for.
func (c *Conn) due() {
	if !c.pending && !c.closed {
		c.pending = true
		c.l.ended = append(c.l.ended, c)
	}
}

func (c *Conn) name() string {
	if c.live {
		return c.job.Name()
	}
	return ""
}

// abort closes the connection without waiting for its output.
func (c *Conn) abort() {
	c.broken, c.closing = true, true
	c.drop()
	// Evio closes upon an event of the descriptor only.
	unix.Shutdown(c.fd, unix.SHUT_RDWR)
	c.mark()
}

// write writes what the socket takes, unless evio has output of its own before.
func (c *Conn) write() {
	for c.done < len(c.out) && len(*c.inner.out) == 0 && !c.closed {
		n, err := unix.Write(c.fd, c.out[c.done:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return
		case err != nil:
			c.abort() // evio finds out why
			return
		default:
			c.done += n
		}
	}
	if c.done == len(c.out) {
		c.reset()
	}
}

// drop forgets what has arrived and what was to be written.
func (c *Conn) drop() {
	c.in, c.at, c.lent = nil, 0, 0
	c.out, c.done = nil, 0
}

func (c *Conn) reset() {
	c.out, c.done = c.out[:0], 0
	if cap(c.out) > keep {
		c.out = nil
	}
}

// flush writes at the end of a turn. What the socket refuses is left for evio, and
// unless this is the connection's own callback a job waits until evio has written it.
func (c *Conn) flush() {
	if c.closed {
		return
	}
	if !c.flushing {
		c.write()
	}
	switch own, held := c.l.current == c, len(*c.inner.out) > 0; {
	case c.flushing && !c.alone: // the job in Flush writes it
	case c.flushing:
		c.entrust()
	case own && !held: // answer has it
	case len(c.out) > 0, c.closing && held:
		c.entrust()
		c.flushing, c.alone = true, true
		c.flusher = c.l.s.Go(c.flushAlone)
	case c.closing:
		// Evio sees an end, or reads what is left, and is answered Close.
		unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
}

// entrust leaves evio what is to be written. Evio writes that before it reads on,
// so that the end of the peer's stream does not cut it off.
func (c *Conn) entrust() {
	if len(c.out) > 0 {
		*c.inner.out = append(*c.inner.out, c.out[c.done:]...)
		c.reset()
		c.ec.Wake() // evio waits for room from its next callback on
	}
}

// flushAlone is the job of a connection whose output nobody waits for.
func (c *Conn) flushAlone(j jobs.Job) error {
	c.drain(j)
	c.mark()
	c.due()
	return nil
}

// drain writes everything, pausing j while there is no room.
func (c *Conn) drain(j jobs.Job) error {
	c.flushing = true
	defer func() {
		c.flushing, c.alone = false, false
		c.written.Broadcast()
	}()
	for {
		if c.write(); c.alone && !c.broken {
			c.entrust()
		}
		switch {
		case c.closed || c.broken:
			return net.ErrClosed
		case len(c.out) == 0 && len(*c.inner.out) == 0:
			return nil
		}
		if err := j.Wait(waitctx.FD(c.fd), waitctx.Writable); err != nil {
			return err
		}
	}
}

// answer is what evio's callback for the connection returns. Evio copies out.
func (c *Conn) answer() (out []byte, action evio.Action) {
	if len(c.out) > 0 && !c.flushing && len(*c.inner.out) == 0 {
		out = c.out[c.done:]
		c.reset()
	}
	if c.broken || c.closing && len(c.out) == 0 && !c.flushing {
		action = evio.Close
	}
	return out, action
}

// end unwinds what belongs to a connection that evio has closed: its number may
// be another file's.
func (c *Conn) end() {
	c.closed = true
	c.drop()
	if c.live {
		c.job.Cancel(nil)
	}
	if c.flushing {
		c.flusher.Cancel(nil)
	}
	for c.busy() && c.l.step() == nil {
	}
}
