package jobs

import "io"

// Chan is a channel for jobs of one scheduler. Make one with [NewChan].
type Chan[T any] struct {
	items  []T // from head on
	head   int
	taken  uint64 // items received so far
	room   int
	sync   bool // Send waits until its item was received
	closed bool

	space  Cond // there is room
	handed Cond // with sync: the item was received
	filled Cond // there is an item
}

// NewChan returns a channel that holds n items. With 0, Send returns once its
// item was received.
func NewChan[T any](n int) *Chan[T] {
	return &Chan[T]{room: max(n, 1), sync: n == 0}
}

// Len is the number of items in the channel.
func (c *Chan[T]) Len() int { return len(c.items) - c.head }

// Send puts v into the channel, pausing j while it is full. It returns ErrClosed
// after Close, or why the job was stopped; v was not sent then.
func (c *Chan[T]) Send(j Job, v T) error {
	for !c.closed && c.Len() >= c.room {
		if err := c.space.Wait(j); err != nil {
			c.space.Signal() // which may have been meant for this job
			return err
		}
	}
	if c.closed {
		return ErrClosed
	}
	if c.head > 0 && len(c.items) == cap(c.items) {
		n := copy(c.items, c.items[c.head:])
		clear(c.items[n:])
		c.items, c.head = c.items[:n], 0
	}
	mine := c.taken + uint64(c.Len())
	c.items = append(c.items, v)
	c.filled.Signal()
	for c.sync && c.taken <= mine {
		err := c.handed.Wait(j)
		if c.taken > mine {
			return nil
		}
		if c.closed {
			err = ErrClosed
		}
		if err != nil {
			c.take() // it is the only one
			c.space.Signal()
			return err
		}
	}
	return nil
}

// Recv takes the next item, pausing j until there is one. It returns io.EOF once
// the channel is closed and empty, or why the job was stopped.
func (c *Chan[T]) Recv(j Job) (v T, err error) {
	for c.Len() == 0 {
		if c.closed {
			return v, io.EOF
		}
		if err := c.filled.Wait(j); err != nil {
			if c.Len() > 0 {
				c.filled.Signal()
			}
			return v, err
		}
	}
	c.taken++
	v = c.take()
	c.space.Signal()
	c.handed.Broadcast()
	return v, nil
}

func (c *Chan[T]) take() T {
	var zero T
	v := c.items[c.head]
	c.items[c.head] = zero
	if c.head++; c.head == len(c.items) {
		c.items, c.head = c.items[:0], 0
	}
	return v
}

// Close makes Send fail from now on, one that waits included, and Recv once the
// channel is empty. Closing again does nothing.
func (c *Chan[T]) Close() {
	c.closed = true
	c.space.Broadcast()
	c.handed.Broadcast()
	c.filled.Broadcast()
}
