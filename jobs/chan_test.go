package jobs_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"bide/jobs"
	"bide/poller/pollertest"
)

// call is a Send or Recv of a job, or one that does not wait.
type call struct {
	job  jobs.Job
	v    int
	err  error
	done bool
}

func (c *call) end(v int, err error) { c.v, c.err, c.done = v, err, true }

// naive is what a Chan is to be, with calls in the place of jobs.
type naive struct {
	room               int
	items              []int
	senders, receivers []*call
	closed             bool
}

// first takes the call that waits longest.
func first(waiting *[]*call) *call {
	c := (*waiting)[0]
	*waiting = (*waiting)[1:]
	return c
}

func (n *naive) send(c *call, wait bool) {
	switch {
	case n.closed:
		c.end(c.v, jobs.ErrClosed)
	case len(n.receivers) > 0:
		first(&n.receivers).end(c.v, nil)
		c.end(c.v, nil)
	case len(n.items) < n.room:
		n.items = append(n.items, c.v)
		c.end(c.v, nil)
	case wait:
		n.senders = append(n.senders, c)
	default:
		c.end(c.v, jobs.ErrWouldBlock)
	}
}

func (n *naive) recv(c *call, wait bool) {
	if len(n.senders) > 0 {
		s := first(&n.senders)
		n.items = append(n.items, s.v)
		s.end(s.v, nil)
	}
	switch {
	case len(n.items) > 0:
		c.end(n.items[0], nil)
		n.items = n.items[1:]
	case n.closed:
		c.end(0, io.EOF)
	case wait:
		n.receivers = append(n.receivers, c)
	default:
		c.end(0, jobs.ErrWouldBlock)
	}
}

func (n *naive) cancel(c *call) {
	for _, waiting := range []*[]*call{&n.senders, &n.receivers} {
		if i := slices.Index(*waiting, c); i >= 0 {
			*waiting = slices.Delete(*waiting, i, i+1)
			c.end(c.v, jobs.ErrCanceled)
		}
	}
}

func (n *naive) close() {
	n.closed = true
	for len(n.senders) > 0 {
		c := first(&n.senders)
		c.end(c.v, jobs.ErrClosed)
	}
	for len(n.receivers) > 0 {
		first(&n.receivers).end(0, io.EOF)
	}
}

// Several things befall a channel in each turn: what is asked by functions of Post,
// and then by jobs. Each call is to end as in the naive channel, in the same turn.
func TestChanAgainstModel(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *jobs.Scheduler, _ *pollertest.Memory) {
				r := rand.New(rand.NewPCG(seed, 0))
				room := r.IntN(4)
				ch, model := jobs.NewChan[int](room), &naive{room: room}
				var got, want []*call
				begin := func() (g, w *call) {
					g, w = &call{v: len(got)}, &call{v: len(got)}
					got, want = append(got, g), append(want, w)
					return g, w
				}
				for turn := range 100 {
					old := len(got)
					for range r.IntN(4) {
						switch k := r.IntN(20); {
						case k < 6 && old > 0:
							i := r.IntN(old)
							if got[i].job != (jobs.Job{}) {
								got[i].job.Cancel(nil)
								model.cancel(want[i])
							}
						case k < 12:
							g, w := begin()
							s.Post(func() { g.end(g.v, ch.TrySend(g.v)) })
							model.send(w, false)
						case k < 18:
							g, w := begin()
							s.Post(func() { g.end(ch.TryRecv()) })
							model.recv(w, false)
						case k == 18 && turn > 80:
							s.Post(ch.Close)
							model.close()
						}
					}
					for range r.IntN(4) {
						g, w := begin()
						if r.IntN(2) == 0 {
							g.job = s.Go(func(j jobs.Job) error { g.end(g.v, ch.Send(j, g.v)); return nil })
							model.send(w, true)
						} else {
							g.job = s.Go(func(j jobs.Job) error { v, err := ch.Recv(j); g.end(v, err); return nil })
							model.recv(w, true)
						}
					}
					s.RunOnce(0)
					s.RunOnce(0) // what the jobs of the first have let go
					for i, g := range got {
						if w := want[i]; g.done != w.done || g.err != w.err || g.err == nil && g.v != w.v {
							t.Fatalf("room %d, turn %d, call %d: done %v with %d, %v; want %v with %d, %v",
								room, turn, i, g.done, g.v, g.err, w.done, w.v, w.err)
						}
					}
					if ch.Len() != len(model.items) || ch.Cap() != room {
						t.Fatalf("Len() = %d, Cap() = %d, want %d and %d", ch.Len(), ch.Cap(), len(model.items), room)
					}
				}
			})
		})
	}
}

// Without a job a call that would have to wait says so.
func TestChanOutsideAJob(t *testing.T) {
	ch := jobs.NewChan[int](1)
	if _, err := ch.Recv(jobs.Job{}); err != jobs.ErrNotLoop {
		t.Errorf("Recv() of an empty channel outside a job = %v, want ErrNotLoop", err)
	}
	if err := ch.Send(jobs.Job{}, 1); err != nil {
		t.Errorf("Send() with room outside a job = %v, want nil", err)
	}
	if err := ch.Send(jobs.Job{}, 2); err != jobs.ErrNotLoop {
		t.Errorf("Send() to a full channel outside a job = %v, want ErrNotLoop", err)
	}
	if v, err := ch.Recv(jobs.Job{}); v != 1 || err != nil {
		t.Errorf("Recv() = %d, %v, want 1, nil", v, err)
	}
}

// A channel that has grown to what it needs allocates nothing more, and keeps no
// item alive that it does not hold.
func TestChanAllocatesNothing(t *testing.T) {
	for _, room := range []int{0, 1, 100} {
		s, err := jobs.New(jobs.WithPoller(idlePoller{}))
		if err != nil {
			t.Fatal(err)
		}
		ch := jobs.NewChan[*int](room)
		received := 0
		for range room + 2 {
			s.Go(func(j jobs.Job) error {
				for v := new(int); ; {
					if err := ch.Send(j, v); err != nil {
						return err
					}
				}
			})
		}
		s.Go(func(j jobs.Job) error {
			for {
				if _, err := ch.Recv(j); err != nil {
					return err
				}
				received++
				if err := j.Sleep(0); err != nil {
					return err
				}
			}
		})
		for range 1000 {
			s.RunOnce(0)
		}
		before := received
		if n := testing.AllocsPerRun(1000, func() { s.RunOnce(0) }); n != 0 || received-before < 900 {
			t.Errorf("room %d: %v allocations a turn, %d items received in 1,000, want none and an item each", room, n, received-before)
		}
		s.Close()
		if n := jobs.Held(ch); n != ch.Len() {
			t.Errorf("room %d: %d items are kept alive, want %d", room, n, ch.Len())
		}
	}
}
