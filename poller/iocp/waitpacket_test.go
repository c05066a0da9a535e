package iocp

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"bide/waitctx"
)

// fakePacket is a wait completion packet: associated at most once at a time.
type fakePacket struct {
	t          *testing.T
	associated bool
	cookie     uintptr
	answer     status // of cancel
}

func (f *fakePacket) calls() packetCalls {
	return packetCalls{
		create: func(h *uintptr) status { *h = 7; return statusSuccess },
		associate: func(packet, port, target, key, cookie uintptr, _ *bool) status {
			if packet != 7 || port != 3 || target != 5 || key != keyWaitable {
				f.t.Errorf("associate(%d, %d, %d, %d), want 7, 3, 5, %d", packet, port, target, key, keyWaitable)
			}
			if f.associated {
				return 0xC000000D // STATUS_INVALID_PARAMETER
			}
			f.associated, f.cookie = true, cookie
			return statusSuccess
		},
		cancel: func(_ uintptr, remove bool) status {
			if !remove {
				f.t.Error("cancel leaves a packet in the port")
			}
			f.associated = false
			return f.answer
		},
	}
}

func TestWaitPacket(t *testing.T) {
	f := &fakePacket{t: t}
	var closed []uintptr
	w := &packetWait{
		object: object{handle: 5, closeHandle: func(h uintptr) { closed = append(closed, h) }},
		calls:  f.calls(), port: 3,
	}
	for cookie := range uintptr(3) {
		if is, err := w.arm(cookie); is || err != nil || f.cookie != cookie {
			t.Fatalf("arm(%d) = %v, %v with cookie %d, want false, nil", cookie, is, err, f.cookie)
		}
		f.associated = false // its packet was taken
	}
	w.arm(9)
	if _, err := w.arm(9); !errors.Is(err, status(0xC000000D)) {
		t.Errorf("arm() = %v of one that is armed, want what the system said", err)
	}
	for answer, coming := range map[status]bool{statusSuccess: false, statusCanceled: true, statusPending: true} {
		f.answer = answer
		if got := w.disarm(); got != coming {
			t.Errorf("disarm() = %v when canceling answers %#x, want %v", got, uint32(answer), coming)
		}
	}
	w.close()
	if len(closed) != 2 || closed[0] != 7 || closed[1] != 5 {
		t.Errorf("close() closed %v, want 7 and 5", closed)
	}
}

func TestSignalledWhenTheSystemDoesNotSay(t *testing.T) {
	o := object{test: func(uintptr) (bool, error) { return false, errors.New("no") }}
	if !o.signalled() {
		t.Error("signalled() = false after an error, want true: a packet came")
	}
}

// packetModel is a model whose events are waited for by wait completion packets.
type packetModel struct {
	*model
	packets map[uintptr]*modelPacket // by target
	fetched func()                   // called once, when rows have left the port and nobody saw them yet
	open    int                      // handles of packets
}

type modelPacket struct {
	associated, signalled bool
	cookie                uintptr
}

func newPacketModel(t *testing.T, events ...waitctx.FD) (*packetModel, *Poller) {
	m := &packetModel{model: &model{t: t, handles: make(map[uintptr]bool), waits: make(map[waitctx.FD]*modelWait)}, packets: make(map[uintptr]*modelPacket)}
	m.came = sync.NewCond(&m.mu)
	for _, fd := range events {
		m.event(fd, true)
	}
	return m, newOn(m)
}

func (m *packetModel) get(rows []packet, timeout time.Duration) (int, error) {
	n, err := m.model.get(rows, timeout)
	if f := m.fetched; f != nil && n > 0 && timeout != 0 && rows[0].key == keyWaitable {
		m.fetched = nil
		m.taken(rows[0].cookie)
		f()
	}
	return n, err
}

// taken ends the association of a packet that left the port.
func (m *packetModel) taken(cookie uintptr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.packets {
		if p.associated && p.signalled && p.cookie == cookie {
			p.associated = false
		}
	}
}

func (m *packetModel) newWait(h waitctx.FD) (waitable, error) {
	return &packetWait{
		object: object{
			handle: uintptr(h), stays: true,
			test:        m.is,
			compare:     func(a, b uintptr) bool { return a == b },
			closeHandle: func(h uintptr) { m.ended(h) },
		},
		calls: packetCalls{
			create: func(h *uintptr) status { *h = 1; m.open++; return statusSuccess },
			associate: func(_, _, target, _, cookie uintptr, _ *bool) status {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.packets[target] = &modelPacket{associated: true, cookie: cookie}
				return statusSuccess
			},
			cancel: func(uintptr, bool) status { return m.recall(uintptr(h)) },
		},
	}, nil
}

func (m *packetModel) is(target uintptr) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.packets[target].signalled, nil
}

// recall is NtCancelWaitCompletionPacket, which takes a packet out of the port.
func (m *packetModel) recall(target uintptr) status {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.packets[target]
	if p == nil || !p.associated {
		return statusCanceled
	}
	p.associated = false
	m.queue = slices.DeleteFunc(m.queue, func(pk packet) bool { return pk.key == keyWaitable && pk.cookie == p.cookie })
	return statusSuccess
}

func (m *packetModel) ended(h uintptr) {
	if h == 1 {
		m.open--
	}
}

func (m *packetModel) signal(fd waitctx.FD) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.packets[uintptr(fd)]
	p.signalled = true
	m.put(packet{key: keyWaitable, cookie: p.cookie})
}

// A delete may come when the packet has left the port but was not seen to yet. Its
// place must not be free twice.
func TestDeleteOfAPacketThatWasJustTaken(t *testing.T) {
	const x, a, b = waitctx.FD(0x10), waitctx.FD(0x20), waitctx.FD(0x30)
	const patience, quiet = 10 * time.Second, 20 * time.Millisecond
	m, p := newPacketModel(t, x, a, b)
	c := client{t, p}
	ch := c.add(x, waitctx.Readable)
	m.fetched = func() {
		c.delete(ch)
		p.Wake()
	}
	time.AfterFunc(quiet, func() { m.signal(x) })
	if n, err := p.Wait(make([]waitctx.Event, 4), patience); n != 0 || err != nil {
		t.Fatalf("Wait() = %d, %v of what was deleted, want 0, nil", n, err)
	}
	c.silent()
	if n := p.Stats().Outstanding; n != 0 || m.open != 0 {
		t.Errorf("%d packets outstanding and %d open, want 0", n, m.open)
	}
	c.add(b, waitctx.Readable)
	forA := c.add(a, waitctx.Readable)
	c.silent()
	m.signal(a)
	c.wants(4, in(forA))
	if err := p.Close(); err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}
