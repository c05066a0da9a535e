//go:build unix

package pollertest

import (
	"math/rand/v2"
	"testing"

	"bide/internal/fdtest"
	"bide/poller"
)

// Fuzz has two pollers told the same, and what they tell compared: the one that
// open returns, and an oracle. The operations are those of the model test,
// among them descriptors that are duplicated, closed early and used again;
// each choice the model makes takes one byte.
func Fuzz(f *testing.F, open, oracle func(t *testing.T) poller.Poller) {
	f.Add(backAndForth)
	for seed := range uint64(40) {
		b := make([]byte, 300)
		rnd := rand.New(rand.NewPCG(seed, 44))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) > 1000 {
			return
		}
		fdtest.Check(t)
		s := &suite{T: t, open: open}
		o := &suite{T: t, open: oracle}
		m := &model{suite: s.on(s.another()), other: o.on(o.another())}
		m.pick = func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0]) % n
			choices = choices[1:]
			return c
		}
		for len(choices) > 0 {
			m.step()
			m.compare()
		}
	})
}

// backAndForth is a number that goes from one file to another and back, with
// dups of both alive and no delete: the case in which EEXIST of epoll_ctl(2)
// means another registration than it seems to. The last byte of each line
// makes dst four long.
var backAndForth = []byte{
	0, 0, 6, 3, // open a pipe, dup its reader
	0, 0, 9, 0, 3, // open a pipe, watch the first reader
	0, 8, 3, 3, // make its number one of the second reader
	4, 9, 0, 3, // watch it
	4, 8, 1, 3, // make its number one of the first reader's dup
	4, 9, 0, 3, // watch it
	3, 1, 3, // write to the second pipe
	0, 1, 3, // write to the first pipe
}
