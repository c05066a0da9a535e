//go:build unix

package pollfd

import (
	"os"
	"testing"

	"bide/waitctx"
)

// TestAddsAndDeletesWithoutWait: what was deleted is forgotten, though nobody
// waits.
func TestAddsAndDeletesWithoutWait(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	apply := func(op waitctx.Op, id waitctx.ID) {
		t.Helper()
		c := waitctx.Change{Op: op, ID: id, FD: waitctx.FD(r.Fd()), Interest: waitctx.Readable}
		if err := p.Apply([]waitctx.Change{c}); err != nil {
			t.Fatalf("Apply() = %v, want nil", err)
		}
	}
	const kept = 3
	for id := range waitctx.ID(kept) {
		apply(waitctx.OpAdd, id)
	}
	for id := waitctx.ID(kept); id < 1000; id++ {
		apply(waitctx.OpAdd, id)
		apply(waitctx.OpDelete, id)
	}
	if n := len(p.set.order); n > 2*kept+1 {
		t.Errorf("with %d registrations %d are remembered, want at most %d", kept, n, 2*kept+1)
	}
}
