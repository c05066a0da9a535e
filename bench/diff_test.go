package bench

import (
	"fmt"
	"testing"

	"bide/internal/versus"
	"bide/waitctx"
)

func BenchmarkDiff(b *testing.B) {
	for _, c := range []struct {
		waits int
		aim   versus.Aim
	}{{1, versus.AtMost(2)}, {10, versus.Aim{}}, {100, versus.Aim{}}, {1000, versus.Aim{}}, {10_000, versus.AtMost(0.01)}} {
		b.Run(fmt.Sprintf("waits=%d", c.waits), func(b *testing.B) {
			versus.Steps(b, diff(b, c.waits), openSSLDiff(c.waits, c.aim)...)
		})
	}
}

// TestDiff: each step is a delete and an add, which it checks itself.
func TestDiff(t *testing.T) {
	for _, waits := range []int{1, 2, 100} {
		diff(t, waits).Run(3)
	}
}

// diff clears a wait and sets it anew, among others that stay as they are.
func diff(t testing.TB, waits int) versus.Side {
	wc, keys := new(waitctx.WaitCtx), make([]byte, waits)
	for i := range keys {
		if err := wc.Set(&keys[i], waitctx.Wait{FD: waitctx.FD(100 + i)}); err != nil {
			t.Fatal(err)
		}
	}
	wc.Changes(nil)
	wc.Ack()
	key := &keys[waits-1]
	memory := make([]waitctx.Change, 0, 2)
	return versus.Side{Name: "bide", Run: func(n int) {
		changes := memory
		for range n {
			_, ok := wc.Clear(key)
			err := wc.Set(key, waitctx.Wait{FD: 1})
			changes = wc.Changes(changes[:0])
			if !ok || err != nil || len(changes) != 2 {
				t.Fatalf("Clear() = %v, Set() = %v, and then %d changes, want true, nil, 2", ok, err, len(changes))
			}
			wc.Ack()
		}
	}}
}
