package main

// connList is a list of connections that lies in them.
type connList struct{ front, back *conn }

func (l *connList) pushBack(c *conn) {
	c.prev, c.next = l.back, nil
	if l.back == nil {
		l.front = c
	} else {
		l.back.next = c
	}
	l.back = c
}

// remove takes c off the list, which it must be on.
func (l *connList) remove(c *conn) {
	if c.prev == nil {
		l.front = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.back = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}
