//go:build linux

package epoll

import (
	"math/rand/v2"
	"testing"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// Slots that share a number, and no others, are found by name, and know what is
// before them.
func TestLinks(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a, _ := fdtest.Pipe(t)
	b, _ := fdtest.Pipe(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	var held []waitctx.Change
	for id := range waitctx.ID(500) {
		var c waitctx.Change
		if n := len(held); n > 0 && rnd.IntN(9) < n {
			i := rnd.IntN(n)
			c, held[i] = held[i], held[n-1]
			c.Op, held = waitctx.OpDelete, held[:n-1]
		} else {
			c = waitctx.Change{Op: waitctx.OpAdd, ID: id + 1, FD: a.FD(), Interest: waitctx.Readable}
			if rnd.IntN(2) == 0 {
				c.FD = b.FD()
			}
			held = append(held, c)
		}
		if err := p.Apply([]waitctx.Change{c}); err != nil {
			t.Fatalf("Apply(%v of %d) = %v, want nil", c.Op, c.ID, err)
		}
		linked := 0
		for _, f := range []*fdtest.File{a, b} {
			prior, first := uint32(0), uint32(0)
			if uint32(f.Num()) < p.byFD.Len() {
				first = *p.byFD.At(uint32(f.Num()))
			}
			for i := first; i != 0; i = p.slots.At(i).next {
				s := p.slots.At(i)
				if got, want := p.links[s.name()], (link{i, prior}); s.next|prior != 0 && got != want {
					t.Fatalf("ID %d has the link %v, want %v", s.id, got, want)
				}
				if s.next|prior != 0 {
					linked++
				}
				prior = i
			}
		}
		if len(p.links) != linked {
			t.Fatalf("%d links with %d slots that share a number", len(p.links), linked)
		}
	}
}
