//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package kqsys

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"bide/internal/fdtest"
)

// What lies in udata may look like a pointer to what was freed. The garbage
// collector must not see it, nor the kernel change it.
func TestUdataIsAnInteger(t *testing.T) {
	q, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r, w := fdtest.Pipe(t)
	w.Write("x")
	var zero time.Duration
	for range 100 {
		udata := uintptr(unsafe.Pointer(new([64 << 10]byte)))
		runtime.GC()
		change := Event{Ident: uintptr(r.Num()), Filter: Read, Flags: Add | Enable, Udata: udata}
		if _, err := q.Kevent([]Event{change}, nil, &zero); err != nil {
			t.Fatalf("Kevent(%+v) = %v, want nil", change, err)
		}
		events := make([]Event, 2)
		n, err := q.Kevent(nil, events, &zero)
		if n != 1 || err != nil || events[0].Ident != change.Ident || events[0].Filter != Read || events[0].Udata != udata {
			t.Fatalf("Kevent() = %d, %v with %+v, want a row of %+v", n, err, events[0], change)
		}
		runtime.GC()
	}
}

// Caps must say what the kernel has.
func TestReceiptsComeWhereCapsSaySo(t *testing.T) {
	q, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if !q.Caps().Receipt {
		t.Skip("Caps.Receipt is false")
	}
	r, w := fdtest.Pipe(t)
	w.Write("x")
	var zero time.Duration
	change := Event{Ident: uintptr(r.Num()), Filter: Read, Flags: Add | Receipt}
	gone := Event{Ident: uintptr(r.Num()), Filter: Write, Flags: Delete | Receipt}
	events := make([]Event, 2)
	n, err := q.Kevent([]Event{change, gone}, events, &zero)
	if n != 2 || err != nil || events[0].Flags&Error == 0 || events[0].Data != 0 || events[1].Flags&Error == 0 || events[1].Data == 0 {
		t.Fatalf("Kevent() = %d, %v with %+v, want a receipt and an error", n, err, events)
	}
}
