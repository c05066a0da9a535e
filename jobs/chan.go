package jobs

import "io"

// Chan is a channel for jobs of one scheduler: Send and Recv pause the job, not
// the loop. Those that wait are served in order, and nobody overtakes them. Make
// one with [NewChan].
type Chan[T any] struct {
	items  []T // from head on
	head   int
	room   int
	closed bool

	// Jobs wait to receive only while there is no item, and to send only while
	// there is no room. What passes then goes by a place of hands.
	receivers, senders queue
	hands              []T
	free               []int32 // places of hands
}

// NewChan returns a channel that holds n items. With 0, Send returns once its
// item was received. It panics below 0.
func NewChan[T any](n int) *Chan[T] {
	if n < 0 {
		panic("jobs: negative Chan")
	}
	return &Chan[T]{room: n}
}

// Len is the number of items in the channel; those of jobs that wait in Send do not
// count.
func (c *Chan[T]) Len() int { return len(c.items) - c.head }

// Cap is the number of items that the channel holds.
func (c *Chan[T]) Cap() int { return c.room }

// Send puts v into the channel, pausing j while it is full. It returns ErrClosed
// once the channel is closed, or why the job was stopped; v was not sent then.
func (c *Chan[T]) Send(j Job, v T) error {
	err := c.TrySend(v)
	if err == ErrWouldBlock {
		_, err = c.wait(j, &c.senders, v)
	}
	return err
}

// Recv takes the next item, pausing j until there is one. It returns io.EOF once
// the channel is closed and empty, or why the job was stopped; it took nothing
// then. Job.Within bounds the time, of Send too.
func (c *Chan[T]) Recv(j Job) (T, error) {
	v, err := c.TryRecv()
	if err == ErrWouldBlock {
		v, err = c.wait(j, &c.receivers, v)
	}
	return v, err
}

// TrySend is Send where that need not wait, and else returns ErrWouldBlock: the
// channel is full or, if it holds none, no job waits in Recv.
func (c *Chan[T]) TrySend(v T) error {
	switch t := c.receivers.head; {
	case c.closed:
		return ErrClosed
	case t != nil:
		c.hands[t.place] = v
		c.receivers.letGo()
	case c.Len() < c.room:
		c.put(v)
	default:
		return ErrWouldBlock
	}
	return nil
}

// TryRecv is Recv where that need not wait, and else returns ErrWouldBlock.
func (c *Chan[T]) TryRecv() (v T, err error) {
	t := c.senders.head
	switch {
	case c.Len() > 0:
		v = c.take()
		if t != nil {
			c.put(c.hands[t.place])
		}
	case t != nil:
		v = c.hands[t.place]
	case c.closed:
		return v, io.EOF
	default:
		return v, ErrWouldBlock
	}
	c.senders.letGo()
	return v, nil
}

// Close makes Send fail from now on, one that waits included, and Recv once the
// channel is empty. Closing again does nothing.
func (c *Chan[T]) Close() {
	c.closed = true
	c.senders.wakeAll(ErrClosed)
	c.receivers.wakeAll(io.EOF)
}

// wait pauses j in q with v in hand, and returns what it has in hand when it is let
// go. That counts though the job was stopped since.
func (c *Chan[T]) wait(j Job, q *queue, v T) (none T, err error) {
	t, err := j.loop()
	if err != nil {
		return none, err
	}
	if err := t.check(); err != nil {
		return none, err
	}
	if n := len(c.free); n > 0 {
		t.place = c.free[n-1]
		c.free = c.free[:n-1]
		c.hands[t.place] = v
	} else {
		t.place = int32(len(c.hands))
		c.hands = append(c.hands, v)
	}
	q.push(t)
	t.pausing(onChan)
	t.yield(Paused)
	v, c.hands[t.place] = c.hands[t.place], none
	c.free = append(c.free, t.place)
	if t.reason != nil {
		return none, t.resumed()
	}
	return v, nil
}

func (c *Chan[T]) put(v T) {
	if n := len(c.items); n == cap(c.items) && c.head >= n-c.head {
		c.items = append(c.items[:0], c.items[c.head:]...)
		clear(c.items[len(c.items):n])
		c.head = 0
	}
	c.items = append(c.items, v)
}

func (c *Chan[T]) take() (v T) {
	v, c.items[c.head] = c.items[c.head], v
	if c.head++; c.head == len(c.items) {
		c.items, c.head = c.items[:0], 0
	}
	return v
}
