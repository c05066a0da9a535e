//go:build unix

package main

import (
	"crypto/sha256"
	"sync"

	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// engine computes digests on another goroutine, as an OpenSSL engine has a device
// do so. What it registers in a job's WaitCtx has the engine itself as its key,
// so that several engines share the context, and stays there from one operation
// to the next.
type engine struct{ name string }

// signal is the data of an engine's wait: a pipe whose reading end is the wait fd.
// It outlives the wait, since an operation that its job gave up may finish later.
type signal struct {
	mu     sync.Mutex
	r, w   int
	closed bool
}

// raise makes the wait fd readable. Any goroutine may call it, also when the
// cleanup has run and the numbers are other files'.
func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		unix.Write(s.w, []byte{0}) // a full pipe is readable as well
	}
}

// clear empties the pipe. The wait fd is read without blocking: a resume need not
// mean that it is readable.
func (s *signal) clear() {
	var b [16]byte
	for {
		n, err := unix.Read(s.r, b[:])
		if err != unix.EINTR && n < len(b) {
			return
		}
	}
}

// close is the wait's cleanup. It runs once the poller has let go of the fd.
func (s *signal) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	unix.Close(s.r)
	unix.Close(s.w)
}

// signalIn returns the engine's signal in a context: that of the last operation,
// or a new one.
func (e *engine) signalIn(wc *waitctx.WaitCtx) (*signal, error) {
	if w, ok := wc.Get(e); ok {
		return w.Data.(*signal), nil
	}
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return nil, err
	}
	s := &signal{r: fds[0], w: fds[1]}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	err := wc.Set(e, waitctx.Wait{
		FD: waitctx.FD(s.r), Data: s,
		Cleanup: func(_ any, w waitctx.Wait) { w.Data.(*signal).close() },
	})
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// operation is one digest on its way.
type operation struct {
	e    *engine
	s    *signal
	sum  [sha256.Size]byte
	done chan struct{} // closed before the signal is raised
}

// start begins a digest of data, which must not be changed before the end.
// Outside a job it is finished at once.
func (e *engine) start(j jobs.Job, data []byte) (*operation, error) {
	op := &operation{e: e, done: make(chan struct{})}
	if !j.Valid() {
		op.run(data)
		return op, nil
	}
	s, err := e.signalIn(j.WaitCtx())
	if err != nil {
		return nil, err
	}
	op.s = s
	go func() {
		op.run(data)
		s.raise()
	}()
	return op, nil
}

func (op *operation) run(data []byte) {
	op.sum = sha256.Sum256(data)
	close(op.done)
}

// wait pauses the job until the digest is finished. It awaits the engine's own
// signal, not those of others that share the context; a Pool's host may resume
// the job for any, so it looks again. An error is why the job was stopped; the
// operation is given up then.
func (op *operation) wait(j jobs.Job) ([sha256.Size]byte, error) {
	for {
		select {
		case <-op.done:
			if op.s != nil {
				op.s.clear()
			}
			return op.sum, nil
		default:
		}
		if err := j.WaitKey(op.e); err != nil {
			return op.sum, err
		}
		select {
		case <-op.done:
		default:
			op.s.clear() // of an operation that was given up
		}
	}
}

// digest is start and wait in one.
func (e *engine) digest(j jobs.Job, data []byte) (sum [sha256.Size]byte, err error) {
	op, err := e.start(j, data)
	if err != nil {
		return sum, err
	}
	return op.wait(j)
}

// wakerEngine does the same without a descriptor, where the job is a
// Scheduler's.
type wakerEngine struct{}

func (wakerEngine) digest(j jobs.Job, data []byte) (sum [sha256.Size]byte, err error) {
	op := &operation{done: make(chan struct{})}
	if !j.Valid() {
		op.run(data)
		return op.sum, nil
	}
	w := j.Waker() // which does nothing once the job has ended
	go func() {
		op.run(data)
		w.Wake()
	}()
	for {
		if err := j.Park(); err != nil {
			return sum, err
		}
		select {
		case <-op.done:
			return op.sum, nil
		default: // a wake of somebody else's
		}
	}
}
