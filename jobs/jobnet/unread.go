package jobnet

import (
	"slices"
	"sync"
)

// givenBack has what was given back, by *socket. Few connections have any, and for
// a short while: so it is no field of theirs.
var givenBack sync.Map

// Unread gives back bytes that were read, as those that tell one protocol from
// another: whatever reads next, TLS that begins then included, finds b before what
// the socket has. b is copied, and comes before what was given back earlier. Loop
// only.
//
// Nothing tells of these bytes: a function of ReadWatch is to be called once without
// having been started. They are not there for a job that waits to read already, for
// SyscallConn and for File, and Close drops them.
func (c *Conn) Unread(b []byte) {
	if len(b) == 0 || c.life.isClosed() {
		return
	}
	rest, _ := givenBack.Load(&c.socket)
	earlier, _ := rest.([]byte)
	givenBack.Store(&c.socket, slices.Concat(b, earlier))
	c.unread, c.drained = true, false
}

// reread reads what was given back.
func (k *socket) reread(b []byte) int {
	v, _ := givenBack.Load(k)
	rest := v.([]byte)
	n := copy(b, rest)
	if n < len(rest) {
		givenBack.Store(k, rest[n:])
	} else {
		k.dropUnread()
	}
	return n
}

func (k *socket) dropUnread() {
	if k.unread {
		k.unread = false
		givenBack.Delete(k)
	}
}
