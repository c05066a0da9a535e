package waitctx

import (
	"fmt"
	"testing"

	"bide/internal/versus"
)

// fill registers n waits and acknowledges them.
func fill(c *WaitCtx, n int) {
	for i := range n {
		c.Set(new(int), Wait{FD: FD(i + 100)})
	}
	c.Changes(nil)
	c.Ack()
}

// cycle adds and removes one wait, each acknowledged.
func cycle(c *WaitCtx, key any, buf []Change) {
	c.Set(key, Wait{FD: 1})
	c.Changes(buf[:0])
	c.Ack()
	c.Clear(key)
	c.Changes(buf[:0])
	c.Ack()
}

// BenchmarkDiff is what one wait costs among many that do not change, beside
// the same among ten.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		for _, k := range []struct {
			name string
			key  any
		}{{"pointer", new(int)}, {"string", "key"}, {"int", 77}} {
			b.Run(fmt.Sprintf("waits=%d/%s", n, k.name), func(b *testing.B) {
				versus.Steps(b,
					versus.Side{Name: "these", Run: cycles(n, k.key)},
					versus.Side{Name: "ten", Run: cycles(10, k.key)})
			})
		}
	}
}

// cycles returns what runs cycle in a context of n other waits.
func cycles(n int, key any) func(times int) {
	c := new(WaitCtx)
	fill(c, n)
	buf := make([]Change, 0, 4)
	return func(times int) {
		for range times {
			cycle(c, key, buf)
		}
	}
}
