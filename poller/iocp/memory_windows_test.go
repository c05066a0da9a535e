package iocp

import (
	"bytes"
	"testing"
	"time"
	"unsafe"

	"bide/internal/fdtest"
	"bide/waitctx"
)

// keeper keeps the memory of polls instead of giving it back, filled with a
// pattern.
type keeper struct {
	*port
	kept [][]op
}

const pattern = 0xa5

func (k *keeper) freeOps(ops []op) {
	b := bytesOf(ops)
	for i := range b {
		b[i] = pattern
	}
	k.kept = append(k.kept, ops)
}

func bytesOf(ops []op) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&ops[0])), uintptr(len(ops))*unsafe.Sizeof(ops[0]))
}

// After Close the kernel writes no more to the memory of polls,
// whatever becomes of their sockets.
func TestNoWriteAfterClose(t *testing.T) {
	sys, err := openSystem()
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{port: sys.(*port)}
	p := newOn(k)
	var files []*fdtest.File
	for range 3 * perHelper {
		a, b := fdtest.Socketpair(t)
		files = append(files, a, b)
		ch := waitctx.Change{Op: waitctx.OpAdd, ID: waitctx.ID(len(files)), FD: a.FD(), Interest: waitctx.Readable}
		if err := p.Apply([]waitctx.Change{ch}); err != nil {
			t.Fatal(err)
		}
	}
	dst := make([]waitctx.Event, 8)
	if n, err := p.Wait(dst, 0); n != 0 || err != nil {
		t.Fatalf("Wait() = %d, %v, want 0, nil", n, err)
	}
	if n := p.Stats().Outstanding; n != 3*perHelper {
		t.Fatalf("Outstanding = %d, want %d", n, 3*perHelper)
	}
	files[1].Write("x") // its packet is in the port at Close
	if err := p.Close(); err != nil {
		t.Fatalf("Close() = %v, want nil", err)
	}
	if n := p.Stats().Outstanding; n != 0 || len(k.kept) == 0 {
		t.Errorf("Outstanding = %d, %d chunks freed after Close, want 0 and some", n, len(k.kept))
	}
	for i, f := range files {
		if i%2 == 1 {
			f.TryWrite("x")
		}
		f.Close()
	}
	other, err := New() // a turn of the system's own, in which a late packet would come
	if err != nil {
		t.Fatal(err)
	}
	other.Wait(dst, 50*time.Millisecond)
	other.Close()
	for _, ops := range k.kept {
		if b := bytesOf(ops); bytes.Count(b, []byte{pattern}) != len(b) {
			t.Error("memory of polls was written to after Close")
		}
	}
}
