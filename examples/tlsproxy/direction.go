package main

import (
	"errors"
	"io"
	"runtime"
	"syscall"

	"bide/jobs"
	"bide/jobs/jobnet"
	"bide/waitctx"
)

// fillsPerRun is after how many buffers a direction lets the others go on.
const fillsPerRun = 8

// direction carries the bytes one way. No job is active on it while there is
// nothing to carry.
type direction struct {
	conn    *conn
	hangUp  jobs.Watch // see hear
	running bool       // a run is active, and perhaps paused
	ended   bool       // nothing more is read
}

func (d *direction) isUp() bool { return d == &d.conn.up }

func (d *direction) from() side {
	if d.isUp() {
		return clientSide{d.conn.client}
	}
	return backendSide{d.conn.backend}
}

func (d *direction) to() side {
	if d.isUp() {
		return backendSide{d.conn.backend}
	}
	return clientSide{d.conn.client}
}

// carried counts bytes. A run may take long over them, where the other side is
// slow.
func (d *direction) carried(n int) {
	d.conn.touch()
	if d.isUp() {
		d.conn.loop.bytesUp.Add(uint64(n))
	} else {
		d.conn.loop.bytesDown.Add(uint64(n))
	}
}

// first copies what has come already, and leaves the rest to readiness.
func (d *direction) first(j jobs.Job) error {
	err := d.run(j)
	if !d.ended && !d.conn.closed {
		d.from().watch().SetFunc(d.run)
	}
	return err
}

// run copies until there is nothing left to read. It pauses when the other side
// takes no more, and every few buffers for the sake of the other jobs.
func (d *direction) run(j jobs.Job) error {
	d.running = true
	defer func() { d.running = false }()
	buf := d.conn.loop.borrow()
	defer d.conn.loop.giveBack(buf)
	from := d.from()
	for fills := 1; ; fills++ {
		n, err := fill(from, buf)
		if n > 0 {
			if err := d.write(j, buf[:n]); err != nil {
				d.refuse(err)
				return nil
			}
			d.carried(n)
		}
		switch {
		case err == nil:
		case errors.Is(err, jobnet.ErrWouldBlock):
			return nil
		case err == io.EOF:
			d.end(j)
			return nil
		default: // the stream was cut
			d.conn.abort()
			return nil
		}
		if fills%fillsPerRun == 0 {
			if err := j.Sleep(0); err != nil {
				d.conn.abort()
				return nil
			}
		}
	}
}

// write passes b on. A run that pauses over it does not read, and would not notice
// that the client is gone. Of a backend that is gone the client is to have all that
// was read already, in its own time.
func (d *direction) write(j jobs.Job, b []byte) error {
	if d.isUp() {
		n, err := d.conn.backend.TryWrite(b)
		if !errors.Is(err, jobnet.ErrWouldBlock) {
			return err
		}
		d.hear()
		b = b[n:]
	}
	return d.to().write(j, b)
}

// fill reads what there is, as far as buf has room for it.
func fill(from side, buf []byte) (n int, err error) {
	for err == nil && n < len(buf) {
		var m int
		m, err = from.read(buf[n:])
		n += m
	}
	return n, err
}

// end passes the end of the stream on. The other direction goes on, until it
// has come to its own.
func (d *direction) end(j jobs.Job) {
	c := d.conn
	d.stop()
	if c.reset && !d.isUp() {
		c.abort()
		return
	}
	err := d.to().closeWrite(j)
	switch {
	case err != nil && !d.isUp(): // the client is gone
		c.abort()
	case !c.up.ended || !c.down.ended:
	case c.refused:
		c.linger()
	default:
		c.close()
	}
}

// refuse ends a direction whose receiver is gone. A client that is gone needs
// nothing more. A backend may have answered before it went, and the client is to
// have the answer, and then the end if there was one. The system tells of a reset
// once: after the write that heard of it, reading would come to an end.
func (d *direction) refuse(err error) {
	c := d.conn
	d.stop()
	switch {
	case !d.isUp():
		c.abort()
	case c.down.ended:
		c.linger()
	default:
		c.refused = true
		c.reset = errors.Is(err, syscall.ECONNRESET)
	}
}

// stop leaves the source alone from now on, but for a reset.
func (d *direction) stop() {
	d.ended = true
	if !d.conn.closed {
		d.from().watch().SetFunc(nil)
		d.hear()
	}
}

// hear has hungUp started when the source of a direction is reset, though nothing is
// read from it. It needs a Watch of its own: that of reading would tell of the end
// of the stream, for as long as that is unread or for ever.
//
// Not on Windows: under Wine a socket that both sides have shut down is told as one
// that was reset, and an abort would drop what is still on its way to the client.
func (d *direction) hear() {
	c := d.conn
	if runtime.GOOS == "windows" || c.closed || d.hangUp != (jobs.Watch{}) {
		return
	}
	raw, err := d.from().socket().SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		wc := new(waitctx.WaitCtx)
		wc.Set("hang-up", waitctx.Wait{FD: waitctx.FD(fd), Interest: waitctx.Silent, Kind: waitctx.Socket})
		d.hangUp, _ = c.loop.sched.Watch(wc, d.hungUp) // without it nothing is heard
	})
}

// hungUp is started, once, when the source is gone. Without an error both sides have
// ended their streams, and what is under way comes to its end.
func (d *direction) hungUp(j jobs.Job) error {
	reset := false
	for _, ready := range j.Ready() {
		reset = reset || ready&waitctx.ReadyErr != 0
	}
	d.hangUp.Stop() // else it would be started for ever
	c := d.conn
	switch {
	case !reset:
	case d.isUp():
		if d.ended || d.running { // else a run is about to hear of it
			c.abort()
		}
	case !c.up.ended && !c.up.running: // else a write hears of it
		c.up.stop()
		c.linger()
	}
	return nil
}
