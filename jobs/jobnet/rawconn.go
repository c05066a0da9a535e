package jobnet

import (
	"os"
	"syscall"

	"bide/jobs"
)

// File returns a duplicate of the descriptor, for another process or for
// net.FileConn. Each is closed on its own. What one of them reads the other does
// not see.
func (c *Conn) File() (*os.File, error) {
	f, err := c.file(c.network())
	return f, c.opError("file", err)
}

// File returns a duplicate of the descriptor, for another process or for
// net.FileListener. Each is closed on its own, and both accept from one queue.
// Closing a Unix Listener still unlinks its path. Whoever has the duplicate must leave
// it non-blocking, which f.Fd() does not: else accept(2) holds up the loop.
func (l *Listener) File() (*os.File, error) {
	f, err := l.file(l.addr.Network())
	return f, l.opError("file", err)
}

func (k *socket) file(name string) (f *os.File, err error) {
	err = k.control(func(fd int) error {
		dup, err := sysDup(fd)
		if err == nil {
			f = os.NewFile(uintptr(dup), name)
		}
		return err
	})
	return f, err
}

// SyscallConn returns the descriptor for system calls of the caller's own.
// Control may be called from anywhere, and is not for reading, urgent data
// included; Read and Write, for goroutines other than the loop's, have the loop call
// their function. Write first waits for a call that is in the middle of its writing,
// and keeps others out. A function that is not content though there is something, as
// one that peeks for more, is called again in each turn. If it panics, the panic is the
// job's that called it, and the call returns an error. Of a view, all of this is done in
// the view's job.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	return rawConn{k: &c.socket, opError: c.opError}, nil
}

func (v *view) SyscallConn() (syscall.RawConn, error) {
	return rawConn{k: &v.socket, opError: v.opError, j: v.j}, nil
}

// SyscallConn is that of Conn.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	return rawConn{k: &l.socket, opError: l.opError}, nil
}

type rawConn struct {
	k       *socket
	opError func(op string, err error) error
	j       jobs.Job // of a view
}

func (r rawConn) Control(fn func(fd uintptr)) error {
	return r.opError("raw-control", r.k.control(func(fd int) error { fn(uintptr(fd)); return nil }))
}

func (r rawConn) Read(fn func(fd uintptr) bool) error {
	return r.opError("raw-read", r.until(&r.k.rd, nil, fn))
}

func (r rawConn) Write(fn func(fd uintptr) bool) error {
	o := r.k.outward()
	return r.opError("raw-write", r.until(&o.half, &o.mu, fn))
}

// until calls fn on the loop, each time the direction is ready, until it is
// content. It holds mu meanwhile, unless that is nil.
func (r rawConn) until(h *half, mu *jobs.Mutex, fn func(fd uintptr) bool) error {
	if r.j != (jobs.Job{}) {
		return r.untilIn(r.j, h, mu, fn)
	}
	err := errLost // unless fn returns
	if e := r.k.run(func(j jobs.Job) { err = r.untilIn(j, h, mu, fn) }); e != nil {
		return e
	}
	return err
}

func (r rawConn) untilIn(j jobs.Job, h *half, mu *jobs.Mutex, fn func(fd uintptr) bool) error {
	if err := r.k.breathe(j); err != nil {
		return err
	}
	if mu != nil {
		if err := r.k.lock(j, mu); err != nil {
			return err
		}
		defer mu.Unlock()
	}
	for {
		if err := r.k.check(h); err != nil {
			return err
		}
		if r.k.drained = false; fn(uintptr(r.k.fd())) {
			return nil
		}
		if err := r.k.wait(j, h); err != nil {
			return err
		}
	}
}
