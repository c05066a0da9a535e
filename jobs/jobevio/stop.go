//go:build linux || darwin || freebsd

package jobevio

import (
	"bytes"
	"crypto/rand"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// settling is how long after its start evio may not hear that a loop has ended.
const settling = time.Second

// insistEvery is how often evio is told to stop, in the end.
const insistEvery = 100 * time.Millisecond

// stopper is how far the end of a server has come. evio starts its loops, and
// then waits on a sync.Cond, without looking for what they ended. A loop that
// ends before that is never heard of, and evio waits for ever. So within the
// time of settling no callback answers Shutdown before Serve's goroutine waits.
type stopper struct {
	asked    atomic.Bool // stop was called
	stopping atomic.Bool // each callback answers Shutdown
	returned atomic.Bool // evio has

	goroutine []byte // of Serve, see goroutineID
}

// fail stops the server for a reason of its own.
func (r *server) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.stop()
}

// stop has evio's next callback answer Shutdown, and sees to it that there is
// one: evio can be stopped in no other way.
func (r *server) stop() {
	if r.asked.Swap(true) {
		return
	}
	r.settle()
	r.stopping.Store(true)
	r.rouse()
}

// rouse brings about a callback of evio's.
func (r *server) rouse() {
	if r.returned.Load() { // and somebody else may listen there
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.loops {
		l.told.Store(true)
		if l.knock() {
			return // and if that connection closes first, Closed answers
		}
	}
	if r.door != nil {
		d := net.Dialer{Timeout: time.Second}
		if c, err := d.Dial(r.door.Network(), r.door.String()); err == nil {
			c.Close()
		}
	}
}

// doorAddr is one more address that evio listens on, to be woken by where it has
// no connection: the others may be gone, as the path of a Unix socket, or shared.
func doorAddr() string {
	if runtime.GOOS == "linux" {
		return "unix://@jobevio-" + rand.Text() // has no path
	}
	return "tcp://127.0.0.1:0"
}

// insist rouses evio until it has returned: a dial may fail, for want of
// descriptors.
func (r *server) insist(returned <-chan struct{}) {
	for pause := retryAfter; ; pause = min(2*pause, insistEvery) {
		select {
		case <-returned:
			return
		case <-time.After(pause):
			r.rouse()
		}
	}
}

// settle returns once Serve's goroutine waits for the end of a loop, or has
// returned, or had its time.
func (r *server) settle() {
	for !r.returned.Load() {
		r.mu.Lock()
		begun := r.begun
		r.mu.Unlock()
		if !begun.IsZero() && (time.Since(begun) > settling || parked(r.goroutine)) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// goroutineID is how the listing of all goroutines begins the entry of this one.
func goroutineID() []byte {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	return b[:bytes.IndexByte(b, '[')+1]
}

// parked reports whether a goroutine waits on a sync.Cond.
func parked(goroutine []byte) bool {
	b := make([]byte, 64<<10)
	n := runtime.Stack(b, true)
	for n == len(b) {
		b = make([]byte, 2*len(b))
		n = runtime.Stack(b, true)
	}
	_, state, _ := bytes.Cut(b[:n], goroutine)
	return bytes.HasPrefix(state, []byte("sync.Cond.Wait"))
}
