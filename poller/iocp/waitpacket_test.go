package iocp

import (
	"errors"
	"testing"
)

// fakePacket is a wait completion packet: associated at most once at a time.
type fakePacket struct {
	t          *testing.T
	associated bool
	cookie     uintptr
	answer     status // of cancel
}

func (f *fakePacket) calls() packetCalls {
	return packetCalls{
		create: func(h *uintptr) status { *h = 7; return statusSuccess },
		associate: func(packet, port, target, key, cookie uintptr, _ *bool) status {
			if packet != 7 || port != 3 || target != 5 || key != keyWaitable {
				f.t.Errorf("associate(%d, %d, %d, %d), want 7, 3, 5, %d", packet, port, target, key, keyWaitable)
			}
			if f.associated {
				return 0xC000000D // STATUS_INVALID_PARAMETER
			}
			f.associated, f.cookie = true, cookie
			return statusSuccess
		},
		cancel: func(_ uintptr, remove bool) status {
			if !remove {
				f.t.Error("cancel leaves a packet in the port")
			}
			f.associated = false
			return f.answer
		},
	}
}

func TestWaitPacket(t *testing.T) {
	f := &fakePacket{t: t}
	var closed []uintptr
	w := &packetWait{
		object: object{handle: 5, closeHandle: func(h uintptr) { closed = append(closed, h) }},
		calls:  f.calls(), port: 3,
	}
	for cookie := range uintptr(3) {
		if is, err := w.arm(cookie); is || err != nil || f.cookie != cookie {
			t.Fatalf("arm(%d) = %v, %v with cookie %d, want false, nil", cookie, is, err, f.cookie)
		}
		f.associated = false // its packet was taken
	}
	w.arm(9)
	if _, err := w.arm(9); !errors.Is(err, status(0xC000000D)) {
		t.Errorf("arm() = %v of one that is armed, want what the system said", err)
	}
	for answer, coming := range map[status]bool{statusSuccess: false, statusCancelled: false, statusPending: true} {
		f.answer = answer
		if got := w.disarm(); got != coming {
			t.Errorf("disarm() = %v when cancelling answers %#x, want %v", got, uint32(answer), coming)
		}
	}
	w.close()
	if len(closed) != 2 || closed[0] != 7 || closed[1] != 5 {
		t.Errorf("close() closed %v, want 7 and 5", closed)
	}
}

func TestSignalledWhenTheSystemDoesNotSay(t *testing.T) {
	o := object{test: func(uintptr) (bool, error) { return false, errors.New("no") }}
	if !o.signalled() {
		t.Error("signalled() = false after an error, want true: a packet came")
	}
}
