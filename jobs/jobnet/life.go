package jobnet

import (
	"net"
	"sync/atomic"
)

// life is how far a socket has come, and how many goroutines other than the
// loop's use its descriptor: a count, and two bits above it. One word tells
// both, so that whoever takes the last hold away knows it.
type life struct{ word atomic.Int32 }

const (
	closed    = 1 << 30 // calls fail from now on
	unwatched = 1 << 29 // the poller does not hold the descriptor, and the loop is done with it
)

// isClosed reports whether calls fail.
func (l *life) isClosed() bool { return l.word.Load()&closed != 0 }

// close has calls fail from now on, and reports whether it was the first.
func (l *life) close() bool { return l.word.Or(closed)&closed == 0 }

// acquire keeps the descriptor open until release.
func (l *life) acquire() error {
	for {
		w := l.word.Load()
		if w&(closed|unwatched) != 0 {
			return net.ErrClosed
		}
		if l.word.CompareAndSwap(w, w+1) {
			return nil
		}
	}
}

// release undoes acquire, and reports whether the descriptor is to be closed.
func (l *life) release() bool { return l.word.Add(-1)&^closed == unwatched }

// unwatch notes that the poller has let go, and reports whether the descriptor
// is to be closed.
func (l *life) unwatch() bool { return l.word.Or(unwatched)&^closed == 0 }
