//go:build linux || darwin || freebsd

package jobevio

import (
	"sync"
	"sync/atomic"
	"time"

	"bide/jobs"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

const (
	// roundsPerCall is how many turns of the scheduler one callback runs before
	// evio's other connections have theirs.
	roundsPerCall = 128

	// retryAfter is when a Wake that brought no callback is called again. On
	// Linux evio takes the list of wakes, runs callbacks, and then empties the
	// eventfd: a Wake in between waits for the next event, 100 ms at most.
	retryAfter = 2 * time.Millisecond

	// nudge is an action evio does not know. It does nothing for it, upon the
	// next event, which comes at once if there is room for output: so evio goes
	// once more round its loop, and finds a wake that was swallowed.
	nudge = evio.Action(1 << 10)
)

// loop is beside one of evio's: its scheduler, run from evio's callbacks.
//
// Whoever has something for it sets told, and knocks unless the loop is inside
// a callback. The loop clears told before it looks, and knocks itself if it is
// told again after its last look. So nothing that is told is missed, and told
// without a callback under way means that a knock is, or that there is no
// connection: then the next one's callback looks.
type loop struct {
	r    *server
	s    *jobs.Scheduler
	gate *gate

	told   atomic.Bool
	inside atomic.Bool // a callback of evio's is under way
	fired  atomic.Bool // the timer did

	timer   *time.Timer // of the scheduler's timers
	timerAt time.Time
	retry   *time.Timer

	// Of the loop's goroutine:
	current  *Conn // of the callback, which can answer with output and an action
	more     bool  // runnable jobs remain
	stepping bool
	dirty    []*Conn // with output or a close to see to
	ended    []*Conn // whose job ended: what arrived meanwhile is due

	mu    sync.Mutex // also held while evio's Wake is called
	conns []*Conn    // open
}

func newLoop(r *server) (*loop, error) {
	l := &loop{r: r}
	g, err := newGate(l)
	if err != nil {
		return nil, err
	}
	l.gate = g
	l.s, err = jobs.New(jobs.WithPoller(g), jobs.WithErrors(r.Failed))
	if err != nil {
		g.close()
		return nil, err
	}
	l.s.FD() // the host sleeps elsewhere: every post is a Wake
	l.timer = time.AfterFunc(time.Hour, func() { l.fired.Store(true); l.tell() })
	l.retry = time.AfterFunc(time.Hour, func() {
		if l.told.Load() && !l.inside.Load() {
			l.knock()
		}
	})
	return l, nil
}

// close ends what the loop is made of, once evio has no connection left.
func (l *loop) close() {
	l.timer.Stop()
	l.retry.Stop()
	l.gate.stop()
	l.s.Close()
	l.gate.close()
}

func (l *loop) add(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.index = len(l.conns)
	l.conns = append(l.conns, c)
}

func (l *loop) remove(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.conns) - 1
	l.conns[c.index] = l.conns[last]
	l.conns[c.index].index = c.index
	l.conns[last] = nil
	l.conns = l.conns[:last]
}

// tell has the loop look. Any goroutine may call it.
func (l *loop) tell() {
	if !l.told.Swap(true) && !l.inside.Load() {
		l.knock()
	}
}

// knock brings about a callback of evio's, by a Wake of any connection. If that
// is closed before evio comes to it the Wake is dropped, and closed is the
// callback. A connection leaves conns before evio closes what Wake writes to, so
// that no Wake is late. It reports false if there is no connection.
func (l *loop) knock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) == 0 {
		return false
	}
	l.conns[0].ec.Wake()
	l.retry.Reset(retryAfter)
	return true
}

// enter begins a callback of evio's for c, or for none that is still open.
func (l *loop) enter(c *Conn) {
	l.inside.Store(true)
	l.current = c
}

// leave ends it: it runs what is due, and returns evio's answer.
func (l *loop) leave() (out []byte, action evio.Action) {
	l.suspect()
	l.drive()
	if c := l.current; c != nil {
		out, action = c.answer()
		if action == evio.None && l.told.Load() {
			action = nudge
		}
		if l.r.stopping.Load() {
			// With output pending evio looks at the action only once the peer has
			// read it all. So the output's way is closed.
			unix.Shutdown(c.fd, unix.SHUT_RDWR)
			action = evio.Shutdown
		}
	}
	l.current = nil
	l.setTimer()
	l.gate.resume()
	l.inside.Store(false)
	if l.told.Load() {
		l.knock()
	}
	return out, action
}

// suspect has a turn run after something of the user's, which may have made jobs
// runnable without a word, by a Cond for one.
func (l *loop) suspect() { l.more = l.more || l.s.Live() > 0 }

// drive runs turns until there is nothing to do, or often enough for once.
func (l *loop) drive() {
	l.settle()
	for n := 0; l.more || l.told.Load(); n++ {
		if n == roundsPerCall {
			l.told.Store(true)
			return
		}
		l.step()
		l.settle()
	}
}

// step runs one turn.
func (l *loop) step() error {
	l.told.Store(false)
	l.stepping = true
	more, err := l.s.RunOnce(0)
	l.stepping = false
	l.more = more
	if err != nil {
		l.r.fail(err)
	}
	return err
}

// settle gives connections whose job has ended what arrived meanwhile, and
// writes what is to be written.
func (l *loop) settle() {
	for len(l.ended) > 0 {
		last := len(l.ended) - 1
		c := l.ended[last]
		l.ended = l.ended[:last]
		c.pending = false
		if len(c.in) > c.at && !c.busy() {
			c.offer(nil)
		}
	}
	for i := 0; i < len(l.dirty); i++ { // flush may add
		c := l.dirty[i]
		l.dirty[i] = nil
		c.dirty = false
		c.flush()
	}
	l.dirty = l.dirty[:0]
}

// setTimer sees to it that the loop is told when its next timer is due.
func (l *loop) setTimer() {
	if l.fired.Load() && l.fired.Swap(false) {
		l.timerAt = time.Time{}
	}
	if next, ok := l.s.Next(); ok && !next.Equal(l.timerAt) {
		l.timerAt = next
		l.timer.Reset(time.Until(next))
	}
}
