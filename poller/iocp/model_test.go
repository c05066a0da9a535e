package iocp

import (
	"slices"
	"sync"
	"testing"
	"time"

	"bide/waitctx"
)

// model stands for Windows: a port, sockets whose readiness a test says, and
// AFD, which polls them. It is checked for what the real one may not tolerate:
// two polls of one socket, and memory used again before its packet has come.
type model struct {
	t  *testing.T
	mu sync.Mutex

	queue   []packet // the port
	came    *sync.Cond
	closed  bool
	handles map[uintptr]bool // helpers

	sockets map[waitctx.FD]*modelSocket
	polls   map[*op]*modelPoll
	late    bool // packets of canceled polls stay out of the port until release
	held    []packet
	ending  []*modelPoll // whose packets are held
	wine    bool         // a socket that stands twice in a poll answers as Wine's
	submits int
	checks  int
	peeks   map[waitctx.FD]pipeState
	looks   int             // into pipes
	looked  func(looks int) // if not nil, called before each
	waits   map[waitctx.FD]*modelWait
	freed   int
}

type modelSocket struct{ ready uint32 }

type modelPoll struct {
	op     *op
	cookie uintptr
	socket *modelSocket
	handle uintptr // by which it was asked for
}

// same says whether two polls are of one socket, by one handle.
func (pl *modelPoll) same(other *modelPoll) bool {
	return pl.socket == other.socket && pl.handle == other.handle
}

func newModel(t *testing.T) (*model, *Poller) {
	m := &model{
		t: t, handles: make(map[uintptr]bool), sockets: make(map[waitctx.FD]*modelSocket),
		polls: make(map[*op]*modelPoll), peeks: make(map[waitctx.FD]pipeState), waits: make(map[waitctx.FD]*modelWait),
	}
	m.came = sync.NewCond(&m.mu)
	p := newOn(m)
	t.Cleanup(func() {
		m.release()
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		if n := p.Stats().Outstanding; n != 0 || len(m.polls) != 0 {
			t.Errorf("Outstanding = %d with %d polls in the kernel after Close, want 0", n, len(m.polls))
		}
		if len(m.handles) != 0 || len(p.chunks) != m.freed {
			t.Errorf("%d helper handles open, %d of %d chunks freed after Close", len(m.handles), m.freed, len(p.chunks))
		}
	})
	return m, p
}

// socket opens one under a number.
func (m *model) socket(fd waitctx.FD) *modelSocket {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &modelSocket{}
	m.sockets[fd] = s
	return s
}

// dup opens another number for a socket.
func (m *model) dup(fd, of waitctx.FD) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sockets[fd] = m.sockets[of]
}

// set says what a socket is ready for.
func (m *model) set(fd waitctx.FD, ready uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sockets[fd]
	s.ready = ready
	for _, pl := range m.polls {
		if pl.socket == s {
			m.look(pl)
		}
	}
}

// closeSocket closes one: an outstanding poll is told so, if it asked for that
// and no duplicate is left.
func (m *model) closeSocket(fd waitctx.FD) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sockets[fd]
	delete(m.sockets, fd)
	for _, left := range m.sockets {
		if left == s {
			return
		}
	}
	for _, pl := range m.polls {
		if pl.socket == s && pl.op.info.target.events&afdLocalClose != 0 {
			m.finish(pl, statusSuccess, afdLocalClose)
		}
	}
}

func (m *model) look(pl *modelPoll) {
	if events := pl.socket.ready & pl.op.info.target.events; events != 0 {
		m.finish(pl, statusSuccess, events)
	}
}

func (m *model) finish(pl *modelPoll, st status, events uint32) {
	delete(m.polls, pl.op)
	pl.op.status, pl.op.info.target.events = uintptr(st), events
	pk := packet{key: keySocket, cookie: pl.cookie}
	if st == statusCanceled && m.late {
		m.held, m.ending = append(m.held, pk), append(m.ending, pl)
		return
	}
	m.put(pk)
}

// release lets the packets go that were held back.
func (m *model) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.late = false
	for _, pk := range m.held {
		m.put(pk)
	}
	m.held, m.ending = nil, nil
}

func (m *model) put(pk packet) {
	m.queue = append(m.queue, pk)
	m.came.Broadcast()
}

func (m *model) get(rows []packet, timeout time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	over := timeout == 0
	if timeout > 0 {
		end := time.AfterFunc(timeout, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			over = true
			m.came.Broadcast()
		})
		defer end.Stop()
	}
	for len(m.queue) == 0 && !over {
		m.came.Wait()
	}
	n := copy(rows, m.queue)
	m.queue = slices.Delete(m.queue, 0, n)
	return n, nil
}

func (m *model) post(key, cookie uintptr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(packet{key: key, cookie: cookie})
	return nil
}

func (m *model) classify(fd waitctx.FD, _ waitctx.Kind) (waitctx.Kind, uintptr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sockets[fd] != nil {
		return waitctx.Socket, uintptr(fd), nil
	}
	if _, ok := m.peeks[fd]; ok {
		return waitctx.Pipe, 0, nil
	}
	if m.waits[fd] != nil {
		return waitctx.Waitable, 0, nil
	}
	return 0, 0, statusInvalidHandle
}

func (m *model) newHelper() (uintptr, error) {
	h := uintptr(1000 + len(m.handles))
	m.handles[h] = true
	return h, nil
}

func (m *model) newOps() ([]op, error) { return make([]op, 2*perHelper), nil }
func (m *model) freeOps([]op)          { m.freed++ }

func (m *model) submit(helper uintptr, o *op, cookie uintptr) status {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.handles[helper] {
		m.t.Errorf("submit() with helper %d, which is not open", helper)
	}
	s := m.sockets[waitctx.FD(o.info.target.handle)]
	if s == nil {
		return statusInvalidHandle
	}
	pl := &modelPoll{o, cookie, s, o.info.target.handle}
	for _, other := range m.polls {
		if other.same(pl) {
			m.t.Error("a second poll of one socket was submitted")
		}
		if other.op == o {
			m.t.Error("a poll was submitted in memory that is in use")
		}
	}
	if slices.ContainsFunc(m.ending, pl.same) {
		m.t.Error("a poll was submitted before the packet of the one before it had come")
	}
	for _, pk := range slices.Concat(m.queue, m.held) {
		if pk.key == keySocket && pk.cookie == cookie {
			m.t.Error("a poll's number was used again before its packet was taken")
		}
	}
	m.submits++
	m.polls[o] = pl
	m.look(pl)
	return statusPending
}

func (m *model) cancel(_ uintptr, o *op) status {
	m.mu.Lock()
	defer m.mu.Unlock()
	pl := m.polls[o]
	if pl == nil {
		return statusNotFound
	}
	m.finish(pl, statusCanceled, 0)
	return statusSuccess
}

func (m *model) now(targets []target) status {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range targets {
		if m.sockets[waitctx.FD(t.handle)] == nil {
			return statusInvalidHandle
		}
	}
	m.checks += len(targets)
	last := make(map[*modelSocket]uint32)
	for _, t := range targets {
		last[m.sockets[waitctx.FD(t.handle)]] = t.events
	}
	for i := range targets {
		s := m.sockets[waitctx.FD(targets[i].handle)]
		targets[i].events &= s.ready
		if m.wine {
			targets[i].events &= last[s]
		}
	}
	return statusSuccess
}

func (m *model) peek(h waitctx.FD) (pipeState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.looks++; m.looked != nil {
		m.looked(m.looks)
	}
	state, ok := m.peeks[h]
	if !ok {
		return 0, statusInvalidHandle
	}
	return state, nil
}

func (m *model) newWait(h waitctx.FD) (waitable, error) { return m.waits[h], nil }

func (m *model) closeHandle(h uintptr) { delete(m.handles, h) }

func (m *model) close() error {
	m.closed = true
	return nil
}

// modelWait is an event: manual-reset if stays.
type modelWait struct {
	m      *model
	stays  bool
	is     bool // signalled
	armed  bool
	cookie uintptr
}

func (m *model) event(fd waitctx.FD, stays bool) *modelWait {
	w := &modelWait{m: m, stays: stays}
	m.waits[fd] = w
	return w
}

func (w *modelWait) level() bool          { return w.stays }
func (w *modelWait) same(waitctx.FD) bool { return true }
func (w *modelWait) signalled() bool      { return w.is }
func (w *modelWait) close()               {}

func (w *modelWait) arm(cookie uintptr) (bool, error) {
	if w.armed {
		w.m.t.Error("a wait was armed twice")
	}
	if w.is {
		w.is = w.stays
		return true, nil
	}
	w.armed, w.cookie = true, cookie
	return false, nil
}

func (w *modelWait) disarm() bool {
	was := w.armed
	w.armed = false
	return !was
}

// set signals the event.
func (w *modelWait) set() {
	if !w.armed {
		w.is = true
		return
	}
	w.is, w.armed = w.stays, false
	w.m.post(keyWaitable, w.cookie)
}
