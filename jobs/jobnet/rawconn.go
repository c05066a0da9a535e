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
// Closing a Unix Listener still unlinks its path.
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
// and keeps others out.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{&c.socket, c.opError}, nil }

// SyscallConn is that of Conn.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	return rawConn{&l.socket, l.opError}, nil
}

type rawConn struct {
	k       *socket
	opError func(op string, err error) error
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
	err := errLost
	if e := r.k.run(func(j jobs.Job) {
		if mu != nil {
			if err = r.k.lock(j, mu); err != nil {
				return
			}
			defer mu.Unlock()
		}
		for {
			if err = r.k.check(h); err != nil {
				return
			}
			if r.k.drained = false; fn(uintptr(r.k.fd())) {
				return
			}
			if err = r.k.wait(j, h); err != nil {
				return
			}
		}
	}); e != nil {
		err = e
	}
	return err
}
