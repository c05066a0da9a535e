package iocp

import (
	"testing"
	"time"

	"bide/waitctx"
)

const sock = waitctx.FD(0x100)

var lastID waitctx.ID

// client is a poller over the model, and what it takes to talk to it briefly.
type client struct {
	t *testing.T
	*Poller
}

func (c client) add(fd waitctx.FD, i waitctx.Interest) waitctx.Change {
	c.t.Helper()
	lastID++
	ch := waitctx.Change{Op: waitctx.OpAdd, ID: lastID, FD: fd, Interest: i, Token: waitctx.Token(lastID) << 8}
	c.apply(ch)
	return ch
}

func (c client) apply(ch waitctx.Change) {
	c.t.Helper()
	if err := c.Apply([]waitctx.Change{ch}); err != nil {
		c.t.Fatalf("Apply(%+v) = %v, want nil", ch, err)
	}
}

func (c client) delete(ch waitctx.Change) {
	c.t.Helper()
	ch.Op = waitctx.OpDelete
	c.apply(ch)
}

func (c client) modify(ch waitctx.Change, i waitctx.Interest) {
	c.t.Helper()
	ch.Op, ch.Interest = waitctx.OpModify, i
	c.apply(ch)
}

// wants waits without blocking and compares what is told, by registration.
func (c client) wants(room int, want map[waitctx.ID]waitctx.Ready) {
	c.t.Helper()
	dst := make([]waitctx.Event, room)
	n, err := c.Wait(dst, 0)
	if err != nil || n != len(want) {
		c.t.Fatalf("Wait() = %d, %v with %+v, want %d", n, err, dst[:n], len(want))
	}
	for _, e := range dst[:n] {
		if ready := want[waitctx.ID(e.Token>>8)]; e.Ready != ready {
			c.t.Fatalf("Wait told %b of token %#x, want %b", e.Ready, e.Token, ready)
		}
	}
}

func (c client) silent() {
	c.t.Helper()
	c.wants(8, nil)
}

func open(t *testing.T) (*model, client) {
	m, p := newModel(t)
	return m, client{t, p}
}

func in(ch waitctx.Change) map[waitctx.ID]waitctx.Ready {
	return map[waitctx.ID]waitctx.Ready{ch.ID: waitctx.ReadyIn}
}

func TestLevelByAskingAgain(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable)
	c.silent()
	m.set(sock, afdReceive)
	for range 3 {
		c.wants(8, in(ch))
	}
	m.set(sock, 0)
	c.silent()
	c.silent()
}

// What is suppressed is not asked for again, and that costs no call.
func TestSuppressedIsNotAskedFor(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable)
	m.set(sock, afdReceive)
	c.wants(8, in(ch))
	c.Suppress(ch.FD, ch.ID)
	before := m.submits
	for range 3 {
		c.silent()
	}
	if m.submits != before {
		t.Errorf("%d polls were submitted while suppressed, want none", m.submits-before)
	}
	c.Rearm(ch.FD, ch.ID)
	c.wants(8, in(ch))
}

func TestInterestThatGrowsCancelsThePoll(t *testing.T) {
	for _, late := range []bool{false, true} {
		m, c := open(t)
		m.socket(sock)
		ch := c.add(sock, waitctx.Readable)
		c.silent()
		m.set(sock, afdSend)
		c.silent()
		m.late = late
		c.modify(ch, waitctx.Writable)
		if late {
			c.silent() // its packet has not come: nothing else may be submitted
			c.modify(ch, waitctx.Writable)
			c.silent()
			m.release()
		}
		c.wants(8, map[waitctx.ID]waitctx.Ready{ch.ID: waitctx.ReadyOut})
	}
}

// A poll for more than is wanted stays; what it finds is not told.
func TestInterestThatShrinksKeepsThePoll(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable|waitctx.Writable)
	c.silent()
	before := c.Stats().Cancels
	c.modify(ch, waitctx.Readable)
	c.silent()
	m.set(sock, afdSend)
	c.silent()
	m.set(sock, afdSend|afdReceive)
	c.wants(8, in(ch))
	if n := c.Stats().Cancels - before; n != 0 {
		t.Errorf("%d polls were canceled, want none", n)
	}
}

func TestDeleteCancelsBeforeItReturns(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable)
	c.silent()
	c.delete(ch)
	if len(m.polls) != 0 {
		t.Errorf("%d polls are outstanding after the delete, want 0", len(m.polls))
	}
	m.set(sock, afdReceive)
	c.silent()
	if n := len(c.byFD); n != 0 {
		t.Errorf("%d sources are left after the packet came, want 0", n)
	}
}

// Deleted and added again before the packet of the first poll has come, a socket
// has no second one.
func TestOnePollOfASocket(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable)
	c.silent()
	m.late = true
	c.delete(ch)
	ch = c.add(sock, waitctx.Readable)
	m.set(sock, afdReceive)
	c.silent()
	m.release()
	c.wants(8, in(ch))
}

func TestSharedSocket(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	r := c.add(sock, waitctx.Readable)
	w := c.add(sock, waitctx.Writable)
	m.set(sock, afdReceive|afdSend)
	both := map[waitctx.ID]waitctx.Ready{r.ID: waitctx.ReadyIn, w.ID: waitctx.ReadyOut}
	c.wants(8, both)
	c.wants(8, both)
	c.Suppress(w.FD, w.ID)
	c.wants(8, in(r))
	c.delete(r)
	c.silent()
	c.Rearm(w.FD, w.ID)
	c.wants(8, map[waitctx.ID]waitctx.Ready{w.ID: waitctx.ReadyOut})
}

// What found no room is told by the next Wait, if it still holds.
func TestNoRoom(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	var all []waitctx.Change
	for range 3 {
		all = append(all, c.add(sock, waitctx.Readable))
	}
	m.set(sock, afdReceive)
	told := make(map[waitctx.Token]bool)
	for range 3 {
		dst := make([]waitctx.Event, 1)
		if n, err := c.Wait(dst, 0); n != 1 || err != nil {
			t.Fatalf("Wait() = %d, %v, want 1", n, err)
		}
		told[dst[0].Token] = true
	}
	if len(told) != len(all) {
		t.Errorf("%d of %d were told", len(told), len(all))
	}
	if n, err := c.Wait(make([]waitctx.Event, 1), 0); n != 1 || err != nil {
		t.Fatalf("Wait() = %d, %v, want 1", n, err)
	}
	m.set(sock, 0)
	c.silent()
}

// A packet that lay in the port is checked; one of a poll just submitted is not.
func TestOldPacketsAreChecked(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable)
	c.silent()
	m.set(sock, afdReceive)
	m.set(sock, 0)
	c.silent()
	if m.checks != 1 {
		t.Errorf("%d checks of one old packet, want 1", m.checks)
	}
	m.set(sock, afdReceive)
	c.wants(8, in(ch))
	m.checks = 0
	c.wants(8, in(ch))
	if m.checks != 0 {
		t.Errorf("%d checks of a packet of this Wait, want none", m.checks)
	}
}

func TestOldPacketsAreCheckedThoughOneSocketIsClosed(t *testing.T) {
	m, c := open(t)
	gone := sock + 4
	m.socket(sock)
	m.socket(gone)
	ch, other := c.add(sock, waitctx.Readable), c.add(gone, waitctx.Readable)
	c.silent()
	m.set(sock, afdReceive)
	m.set(gone, afdReceive)
	m.closeSocket(gone)
	c.wants(8, in(ch))
	c.wants(8, map[waitctx.ID]waitctx.Ready{ch.ID: waitctx.ReadyIn, other.ID: waitctx.ReadyClosed})
}

// Two numbers of one socket whose packets are checked together: Wine confuses
// what was asked of the one with what was asked of the other. Which packet comes
// first is left to chance, so that a hundred times have both.
func TestOldPacketsOfDuplicates(t *testing.T) {
	for n := range 100 {
		m, c := open(t)
		m.wine = n%2 == 0
		m.socket(sock)
		m.dup(sock+4, sock)
		both, one := c.add(sock, waitctx.Readable|waitctx.Writable), c.add(sock+4, waitctx.Readable)
		c.silent()
		m.set(sock, afdReceive|afdSend)
		c.wants(8, map[waitctx.ID]waitctx.Ready{
			both.ID: waitctx.ReadyIn | waitctx.ReadyOut,
			one.ID:  waitctx.ReadyIn,
		})
		if m.checks < 2 {
			t.Errorf("%d checks of two old packets, want 2 at least", m.checks)
		}
	}
}

// Closed with its poll outstanding and opened again under its number: the old
// registration is dead, the new one lives.
func TestNumberUsedAgain(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	old := c.add(sock, waitctx.Readable)
	c.silent()
	m.closeSocket(sock)
	m.socket(sock)
	ch := c.add(sock, waitctx.Readable)
	c.wants(8, map[waitctx.ID]waitctx.Ready{old.ID: waitctx.ReadyClosed})
	m.set(sock, afdReceive)
	c.wants(8, in(ch))
	c.delete(old)
	c.wants(8, in(ch))
}

// The same while a duplicate of the old socket lives, whose poll goes on.
func TestNumberUsedAgainWithADuplicateAlive(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	old := c.add(sock, waitctx.Readable)
	c.silent()
	m.socket(sock) // replaces it; the poll of the first stays
	ch := c.add(sock, waitctx.Readable)
	c.silent()
	c.delete(old)
	m.set(sock, afdReceive)
	c.wants(8, in(ch))
}

func TestHandleBecomesAPipe(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	old := c.add(sock, waitctx.Readable)
	m.set(sock, afdReceive)
	c.wants(8, in(old))
	m.closeSocket(sock)
	m.peeks[sock] = pipeData
	ch := c.add(sock, waitctx.Readable)
	c.wants(1, map[waitctx.ID]waitctx.Ready{old.ID: waitctx.ReadyClosed})
	c.wants(8, in(ch))
	c.delete(old)
	c.wants(8, in(ch))
}

// More sockets than share a helper handle.
func TestManySockets(t *testing.T) {
	m, c := open(t)
	const n = 5*perHelper + 1
	want := make(map[waitctx.ID]waitctx.Ready)
	for i := range n {
		fd := sock + waitctx.FD(4*i)
		m.socket(fd)
		want[c.add(fd, waitctx.Readable).ID] = waitctx.ReadyIn
	}
	c.silent()
	if got := c.Stats(); got.Helpers != 6 || got.Outstanding != n {
		t.Errorf("Stats() = %+v, want 6 helpers and %d outstanding", got, n)
	}
	for i := range n {
		m.set(sock+waitctx.FD(4*i), afdReceive)
	}
	c.wants(n, want)
}

func TestReadyOf(t *testing.T) {
	const r, w = waitctx.Readable, waitctx.Writable
	for _, test := range []struct {
		events   uint32
		interest waitctx.Interest
		want     waitctx.Ready
	}{
		{afdReceive, r, waitctx.ReadyIn},
		{afdAccept, r, waitctx.ReadyIn},
		{afdDisconnect, r, waitctx.ReadyIn | waitctx.ReadyRdHup},
		{afdDisconnect, w, 0},
		{afdSend, w, waitctx.ReadyOut},
		{afdAbort, r, waitctx.ReadyIn | waitctx.ReadyHup},
		{afdAbort, waitctx.Silent, waitctx.ReadyHup},
		{afdConnectFail, w, waitctx.ReadyOut | waitctx.ReadyErr},
		{afdExpedited, waitctx.Priority, waitctx.ReadyPri},
		{afdExpedited, r, 0},
	} {
		if got := readyOf(test.events, test.interest); got != test.want {
			t.Errorf("readyOf(%#x, %d) = %b, want %b", test.events, test.interest, got, test.want)
		}
		if test.want != 0 && maskOf(test.interest)&test.events != test.events {
			t.Errorf("maskOf(%d) = %#x does not ask for %#x", test.interest, maskOf(test.interest), test.events)
		}
	}
}

func TestEvents(t *testing.T) {
	m, c := open(t)
	manual, auto := m.event(0x10, true), m.event(0x20, false)
	level, once := c.add(0x10, waitctx.Readable), c.add(0x20, waitctx.Readable)
	again := c.add(0x20, waitctx.Readable)
	c.silent()
	manual.set()
	c.wants(8, in(level))
	c.wants(8, in(level))
	manual.is = false
	c.silent()
	manual.set()
	manual.is = false // before anybody looked
	c.silent()

	auto.set()
	c.wants(1, in(again))
	c.wants(8, in(once))
	c.silent()

	// A signal while suppressed waits for Rearm.
	c.Suppress(once.FD, once.ID)
	c.delete(again)
	auto.set()
	c.silent()
	c.Rearm(once.FD, once.ID)
	c.wants(8, in(once))
	c.silent()
}

// An event that stays signalled is told by each Wait, and may leave no room for
// anything else: not always.
func TestEventLeavesRoomForSockets(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	m.socket(sock + 4)
	told := make(map[waitctx.Token]bool)
	for fd := sock + 8; fd < sock+20; fd += 4 {
		m.event(fd, true).set()
		c.add(fd, waitctx.Readable)
	}
	c.add(sock, waitctx.Readable)
	c.add(sock+4, waitctx.Readable)
	m.set(sock, afdReceive)
	m.set(sock+4, afdReceive)
	for range 5 {
		dst := make([]waitctx.Event, 1)
		if n, err := c.Wait(dst, 0); n != 1 || err != nil {
			t.Fatalf("Wait() = %d, %v, want 1", n, err)
		}
		told[dst[0].Token] = true
	}
	if len(told) != 5 {
		t.Errorf("%d of 5 were told within 5 waits", len(told))
	}
}

// A lost wait is told again after each modify, but not instead of all others.
func TestLostWaitTakesNobodysTurn(t *testing.T) {
	for _, room := range []int{1, 8} {
		m, c := open(t)
		m.socket(sock)
		lost := c.add(sock, waitctx.Readable)
		c.silent()
		m.closeSocket(sock)
		c.wants(8, map[waitctx.ID]waitctx.Ready{lost.ID: waitctx.ReadyClosed})
		m.socket(sock + 4)
		ch := c.add(sock+4, waitctx.Readable)
		m.set(sock+4, afdReceive)
		told := make(map[waitctx.Token]bool)
		for range 4 {
			c.modify(lost, waitctx.Readable)
			dst := make([]waitctx.Event, room)
			n, err := c.Wait(dst, 0)
			if err != nil {
				t.Fatalf("Wait() = %d, %v, want no error", n, err)
			}
			for _, e := range dst[:n] {
				told[e.Token] = true
			}
		}
		if !told[lost.Token] || !told[ch.Token] {
			t.Errorf("with a dst of %d the lost wait was told: %v, the ready one: %v, want both", room, told[lost.Token], told[ch.Token])
		}
	}
}

// A pipe that is closed while Wait sleeps between two looks is told by that Wait:
// once it is lost nobody looks any more.
func TestPipeClosedDuringWait(t *testing.T) {
	m, c := open(t)
	m.peeks[sock] = pipeEmpty
	ch := c.add(sock, waitctx.Readable)
	m.looked = func(looks int) { // with the model's lock held
		if looks == 3 {
			delete(m.peeks, sock)
		}
	}
	const patience = 10 * time.Second
	dst, start := make([]waitctx.Event, 1), time.Now()
	n, err := c.Wait(dst, patience)
	if want := (waitctx.Event{Token: ch.Token, Ready: waitctx.ReadyClosed}); n != 1 || err != nil || dst[0] != want {
		t.Errorf("Wait() = %d, %v with %+v, want %+v", n, err, dst[0], want)
	}
	if time.Since(start) >= patience {
		t.Error("Wait slept until its timeout")
	}
}

// Without room in dst a Wait ends all the same when something is ready, and sleeps
// when it is not any more.
func TestWaitWithoutRoom(t *testing.T) {
	const patience, quiet = 10 * time.Second, 20 * time.Millisecond
	for name, open := range map[string]func(m *model) (ready func(bool)){
		"socket": func(m *model) func(bool) {
			m.socket(sock)
			return func(on bool) {
				if m.set(sock, 0); on {
					m.set(sock, afdReceive)
				}
			}
		},
		"pipe": func(m *model) func(bool) {
			return func(on bool) {
				if m.peeks[sock] = pipeEmpty; on {
					m.peeks[sock] = pipeData
				}
			}
		},
		"event": func(m *model) func(bool) {
			e := m.event(sock, true)
			return func(on bool) {
				if e.is = false; on {
					e.set()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, p := newModel(t)
			c := client{t, p}
			ready := open(m)
			ready(true)
			ch := c.add(sock, waitctx.Readable)
			for round := range 3 {
				for range 2 {
					start := time.Now()
					if n, err := c.Wait(nil, patience); n != 0 || err != nil || time.Since(start) >= patience {
						t.Fatalf("in round %d Wait(nil) = %d, %v after %v, want 0, nil at once", round, n, err, time.Since(start))
					}
				}
				if round == 1 {
					c.wants(1, in(ch))
				}
				ready(false)
				c.Wait(nil, 0) // a packet may be in the port
				start := time.Now()
				if n, err := c.Wait(nil, quiet); n != 0 || err != nil || time.Since(start) < quiet {
					t.Fatalf("in round %d Wait(nil) = %d, %v after %v, want 0, nil after %v", round, n, err, time.Since(start), quiet)
				}
				ready(true)
			}
		})
	}
}

// A change by another goroutine reaches the Wait under way.
func TestApplyWakesTheWaiter(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	m.set(sock, afdSend)
	ch := c.add(sock, waitctx.Readable)
	got := make(chan waitctx.Event, 1)
	go func() {
		dst := make([]waitctx.Event, 1)
		c.Wait(dst, time.Minute)
		got <- dst[0]
	}()
	for asleep := false; !asleep; { // else the change is just collected
		c.mu.Lock()
		asleep = c.asleep
		c.mu.Unlock()
	}
	c.modify(ch, waitctx.Writable)
	select {
	case e := <-got:
		if e.Ready != waitctx.ReadyOut || e.Token != ch.Token {
			t.Errorf("Wait told %+v, want Out of token %#x", e, ch.Token)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the waiter did not see the change")
	}
}

// Close takes back what is outstanding, though packets come late.
func TestCloseWaitsForPackets(t *testing.T) {
	m, c := open(t)
	m.socket(sock)
	c.add(sock, waitctx.Readable)
	c.silent()
	m.late = true
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	for held := 0; held == 0; {
		m.mu.Lock()
		held = len(m.held)
		m.mu.Unlock()
	}
	select {
	case err := <-closed:
		t.Fatalf("Close() = %v with a packet still to come", err)
	default:
	}
	m.release()
	if err := <-closed; err != nil || m.freed != 1 {
		t.Errorf("Close() = %v with %d chunks freed, want nil, 1", err, m.freed)
	}
}
