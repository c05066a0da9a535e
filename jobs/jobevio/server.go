//go:build linux || darwin || freebsd

package jobevio

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"bide/jobs"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

// Errors of Serve, and of Server.Failed.
var (
	// ErrStopped: evio ended by itself, which it does when an accept fails.
	ErrStopped = errors.New("jobevio: evio has stopped: an accept failed")
	// ErrDescriptors: a connection was refused because few descriptors are left.
	ErrDescriptors = errors.New("jobevio: connection refused: few descriptors left")
	// ErrInput: a connection held more than Server.MaxInput, and was closed.
	ErrInput = errors.New("jobevio: more input than Server.MaxInput")
)

const (
	defaultMaxInput = 1 << 20
	reserved        = 16 // descriptors kept free, and as many for each loop
	evioTakes       = 3  // for each loop when it starts, and its first accept
)

// Server is an evio server with jobs. Its functions run on the loop of their
// connection, never two at a time for one loop, and must not block. Set the
// fields before Serve.
type Server struct {
	NumLoops    int // as in evio: 0 is one, negative one for each CPU
	LoadBalance evio.LoadBalance

	// MaxInput is how many bytes a connection may hold that Data or Handle has
	// not taken; beyond, it is closed. The default is 1 MiB.
	MaxInput int

	// Listening is called once the server listens.
	Listening func(addrs []net.Addr)

	// Opened is called for each connection before anything else.
	Opened func(c *Conn)

	// Data is called with what has arrived, and returns how many bytes of it it
	// has taken. The rest comes again, in front of what arrives later or once
	// the connection's job has ended. While a job runs Data is not called. in is
	// the loop's buffer: it must not be kept.
	Data func(c *Conn, in []byte) int

	// Handle takes Data's place. It is given what has arrived, handles the request
	// at its front, and returns that request's length; 0 says that the request is
	// not complete, and has to come again with more. Each call is a job of its own,
	// which may pause, and costs no switch if it does not. The connection's next
	// request waits until it has returned, so that answers keep their order; an
	// error closes the connection. in is the call's until it returns.
	//
	// Answers are written once all requests that have arrived are done or paused, or
	// by Flush.
	Handle func(j jobs.Job, c *Conn, in []byte) (int, error)

	// Closed is called when a connection of Opened is closed, after its job
	// has unwound; err is evio's, nil for an end without one.
	Closed func(c *Conn, err error)

	// Failed is called, on a loop, for each job that returned an error or
	// panicked, and for ErrDescriptors and ErrInput. A connection's job without a
	// name has that of the peer's address. The default logs.
	Failed func(name string, err error)
}

// server is one Serve.
type server struct {
	Server
	stopper
	limit   int   // connections with this descriptor and up are refused
	index   int   // of the door, among evio's addresses
	reserve []int // descriptors that evio finds free when it starts

	mu    sync.Mutex
	door  net.Addr  // where nobody but rouse knocks
	begun time.Time // when evio started its loops
	spare []*loop
	loops map[unsafe.Pointer]*loop // by evio's
	err   error                    // why it stops by itself
}

// Serve serves on addresses as evio.Serve takes them, until ctx is done. Then
// it closes the connections, whose jobs are canceled and unwind, and returns
// the context's cause. No job runs and no Wake is sent once it has returned.
func (s *Server) Serve(ctx context.Context, addr ...string) error {
	if len(addr) == 0 { // evio would serve nobody, for ever
		return errors.New("jobevio: Serve needs an address")
	}
	for _, a := range addr {
		if network, _, ok := strings.Cut(a, "://"); ok && (strings.HasPrefix(network, "udp") || strings.HasSuffix(network, "-net")) {
			return fmt.Errorf("jobevio: %s: %w", a, errors.ErrUnsupported)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := &server{Server: *s, index: len(addr), loops: make(map[unsafe.Pointer]*loop)}
	if err := r.prepare(); err != nil {
		return err
	}
	defer r.release()
	r.goroutine = goroutineID()
	returned, stopped := make(chan struct{}), make(chan struct{})
	leave := context.AfterFunc(ctx, func() { r.stop(); r.insist(returned); close(stopped) })
	err := evio.Serve(evio.Events{
		NumLoops: len(r.spare), LoadBalance: r.LoadBalance,
		Serving: r.serving, Opened: r.opened, Data: r.data, Closed: r.closed,
	}, append(slices.Clone(addr), doorAddr())...)
	r.returned.Store(true)
	close(returned)
	if !leave() {
		<-stopped
		return context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case err == nil:
		return ErrStopped
	}
	return err
}

// prepare fills in defaults and makes a loop of ours for each of evio's.
func (r *server) prepare() error {
	if r.MaxInput <= 0 {
		r.MaxInput = defaultMaxInput
	}
	if r.Failed == nil {
		r.Failed = func(name string, err error) { log.Printf("jobevio: job %q: %v", name, err) }
	}
	n := max(r.NumLoops, 1)
	if r.NumLoops < 0 {
		n = runtime.NumCPU()
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("jobevio: getrlimit: %w", err)
	}
	most := int(min(uint64(lim.Cur), 1<<30))
	r.limit = max(most-reserved*(n+1), most/2)
	for range n {
		l, err := newLoop(r)
		if err != nil {
			r.release()
			return err
		}
		r.spare = append(r.spare, l)
		r.loops[unsafe.Pointer(l)] = l // until evio's is known
	}
	if err := r.hold(reserved + evioTakes*n); err != nil {
		r.release()
		return err
	}
	return nil
}

// hold reserves descriptors. If evio finds too few for its loops it panics, and
// waits for ever on the way; it also does if an accept fails before it waits.
func (r *server) hold(n int) error {
	for range n {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("jobevio: %d descriptors must be free to start, raise RLIMIT_NOFILE: %w", n, err)
		}
		r.reserve = append(r.reserve, fd)
	}
	return nil
}

// unhold frees what hold reserved.
func (r *server) unhold() {
	for _, fd := range r.reserve {
		unix.Close(fd)
	}
	r.reserve = nil
}

// release ends the loops: evio's have.
func (r *server) release() {
	r.unhold()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.loops {
		l.close()
	}
}

// loopOf returns the loop that belongs to one of evio's.
func (r *server) loopOf(theirs unsafe.Pointer) *loop {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.loops[theirs]
	if l == nil {
		l = r.spare[len(r.spare)-1]
		r.spare = r.spare[:len(r.spare)-1]
		delete(r.loops, unsafe.Pointer(l))
		r.loops[theirs] = l
	}
	return l
}

func (r *server) serving(s evio.Server) evio.Action {
	r.mu.Lock()
	r.door = s.Addrs[r.index]
	r.mu.Unlock()
	if r.Listening != nil {
		r.Listening(s.Addrs[:r.index:r.index])
	}
	if r.asked.Load() { // there was no address to dial yet
		return evio.Shutdown
	}
	r.unhold()
	r.mu.Lock()
	r.begun = time.Now()
	r.mu.Unlock()
	return evio.None
}

func (r *server) opened(ec evio.Conn) (out []byte, opts evio.Options, action evio.Action) {
	opts.ReuseInputBuffer = true // what is kept is copied here
	in, err := look(ec)
	switch {
	case err != nil:
		r.fail(err)
		fallthrough
	case r.stopping.Load():
		return nil, opts, evio.Shutdown
	case ec.AddrIndex() == r.index:
		return nil, opts, evio.Close
	case in.fd >= r.limit:
		r.Failed("", ErrDescriptors)
		return nil, opts, evio.Close
	}
	c := &Conn{inner: in, ec: ec, l: r.loopOf(in.loop)}
	c.body, c.request = c.run, c.requests
	ec.SetContext(c)
	unix.CloseOnExec(c.fd)
	// Output is written when it is complete; what Nagle's algorithm would wait
	// for is the peer's acknowledgement. A Unix socket refuses.
	unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	c.l.enter(c)
	c.l.add(c)
	if r.Opened != nil {
		r.Opened(c)
	}
	out, action = c.l.leave()
	return out, opts, action
}

// data is called with what was read, and with nil after a Wake, of whichever
// connection.
func (r *server) data(ec evio.Conn, in []byte) ([]byte, evio.Action) {
	c, ok := ec.Context().(*Conn)
	if !ok { // refused
		return nil, evio.Close
	}
	c.l.enter(c)
	if len(in) > 0 {
		c.receive(in)
	}
	return c.l.leave()
}

func (r *server) closed(ec evio.Conn, err error) evio.Action {
	if c, ok := ec.Context().(*Conn); ok { // else it was refused, or never opened
		c.l.enter(nil)
		c.l.remove(c)
		c.end()
		if r.Closed != nil {
			r.Closed(c, err)
		}
		c.l.leave()
	}
	if r.stopping.Load() {
		return evio.Shutdown
	}
	return evio.None
}
