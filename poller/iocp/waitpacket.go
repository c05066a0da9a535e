package iocp

import (
	"os"

	"bide/waitctx"
)

// object is a handle of the poller's own to an object that can be waited for.
type object struct {
	handle      uintptr
	stays       bool
	test        func(h uintptr) (bool, error) // takes a signal, if there is one
	compare     func(h, other uintptr) bool
	closeHandle func(h uintptr)
}

func (o *object) level() bool             { return o.stays }
func (o *object) same(fd waitctx.FD) bool { return o.compare(o.handle, uintptr(fd)) }
func (o *object) close()                  { o.closeHandle(o.handle) }

// signalled says yes if that cannot be found out: it was when the packet came.
func (o *object) signalled() bool {
	is, err := o.test(o.handle)
	return is || err != nil
}

// packetCalls are the calls of wait completion packets, which came with Windows
// 8 and which Wine lacks:
// https://learn.microsoft.com/windows/win32/devnotes/ntassociatewaitcompletionpacket
type packetCalls struct {
	create    func(packet *uintptr) status
	associate func(packet, port, target, key, cookie uintptr, already *bool) status
	cancel    func(packet uintptr, remove bool) status
}

// packetWait is a waitable by a wait completion packet. One that was associated
// may be so again when its packet was taken from the port, or it was canceled.
type packetWait struct {
	object
	calls  packetCalls
	port   uintptr
	packet uintptr // 0 until the first arm
}

func (w *packetWait) arm(cookie uintptr) (bool, error) {
	if w.packet == 0 {
		if st := w.calls.create(&w.packet); st.failed() {
			return false, os.NewSyscallError("NtCreateWaitCompletionPacket", st)
		}
	}
	var already bool // signalled: then the packet is in the port by now
	if st := w.calls.associate(w.packet, w.port, w.handle, keyWaitable, cookie, &already); st.failed() {
		return false, os.NewSyscallError("NtAssociateWaitCompletionPacket", st)
	}
	return false, nil
}

// disarm takes the packet back where that answers STATUS_SUCCESS. It does not
// where the packet is just being put into the port, STATUS_PENDING, and where it
// has been taken from there already, STATUS_CANCELLED: then the waiter has it among
// its rows, and did not get to it yet.
// https://learn.microsoft.com/windows/win32/devnotes/ntcancelwaitcompletionpacket
func (w *packetWait) disarm() (coming bool) {
	return w.calls.cancel(w.packet, true) != statusSuccess
}

// close must wait for a packet that is coming: the last handle takes it out of the
// port.
func (w *packetWait) close() {
	if w.packet != 0 {
		w.closeHandle(w.packet)
	}
	w.object.close()
}
