package iocp

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"bide/waitctx"

	"golang.org/x/sys/windows"
)

var (
	procQueryEvent     = ntdll.NewProc("NtQueryEvent")
	procCompareObjects = ntdll.NewProc("NtCompareObjects")

	procCreatePacket    = ntdll.NewProc("NtCreateWaitCompletionPacket")
	procAssociatePacket = ntdll.NewProc("NtAssociateWaitCompletionPacket")
	procCancelPacket    = ntdll.NewProc("NtCancelWaitCompletionPacket")

	procRegister   = kernel32.NewProc("RegisterWaitForSingleObject")
	procUnregister = kernel32.NewProc("UnregisterWaitEx")
)

// newWaits chooses how waitable handles are waited for.
func newWaits() func(*port, windows.Handle, bool) waitable {
	for _, proc := range []*windows.LazyProc{procCreatePacket, procAssociatePacket, procCancelPacket} {
		if proc.Find() != nil {
			return newRegistered
		}
	}
	return func(p *port, dup windows.Handle, level bool) waitable {
		return &packetWait{object: newObject(dup, level), calls: ntCalls, port: uintptr(p.handle)}
	}
}

// newWait duplicates a handle: closed by its owner while it is waited for, it
// would make the wait undefined.
func (p *port) newWait(h waitctx.FD) (waitable, error) {
	self := windows.CurrentProcess()
	var dup windows.Handle
	err := windows.DuplicateHandle(self, windows.Handle(h), self, &dup, windows.SYNCHRONIZE, false, 0)
	if err != nil {
		return nil, os.NewSyscallError("DuplicateHandle", err)
	}
	return p.waits(p, dup, stays(windows.Handle(h))), nil
}

// stays says whether waiting leaves the object signalled. Where that cannot be
// found out it is assumed not to.
func stays(h windows.Handle) bool {
	name, _ := typeName(h)
	switch name {
	case "Process", "Thread", "Job":
		return true
	case "Event":
		var info struct{ typ, state int32 } // EVENT_BASIC_INFORMATION
		const notificationEvent = 0
		r, _, _ := syscall.SyscallN(procQueryEvent.Addr(), uintptr(h), 0,
			uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0)
		return !status(r).failed() && info.typ == notificationEvent
	}
	return false
}

// newObject is a duplicated handle and what can be asked of it.
func newObject(dup windows.Handle, stays bool) object {
	return object{
		handle: uintptr(dup),
		stays:  stays,
		test: func(h uintptr) (bool, error) {
			e, err := windows.WaitForSingleObject(windows.Handle(h), 0)
			return e == windows.WAIT_OBJECT_0, os.NewSyscallError("WaitForSingleObject", err)
		},
		compare: func(h, other uintptr) bool {
			if procCompareObjects.Find() != nil {
				return true // before Windows 10
			}
			r, _, _ := syscall.SyscallN(procCompareObjects.Addr(), h, other)
			return status(r) == statusSuccess
		},
		closeHandle: func(h uintptr) { windows.CloseHandle(windows.Handle(h)) },
	}
}

// ntCalls are the real ones.
var ntCalls = packetCalls{
	create: func(h *uintptr) status {
		r, _, _ := syscall.SyscallN(procCreatePacket.Addr(), uintptr(unsafe.Pointer(h)), windows.GENERIC_ALL, 0)
		return status(r)
	},
	associate: func(packet, port, target, key, cookie uintptr, already *bool) status {
		r, _, _ := syscall.SyscallN(procAssociatePacket.Addr(), packet, port, target, key, cookie, 0, 0,
			uintptr(unsafe.Pointer(already)))
		return status(r)
	},
	cancel: func(packet uintptr, remove bool) status {
		flag := uintptr(0)
		if remove {
			flag = 1
		}
		r, _, _ := syscall.SyscallN(procCancelPacket.Addr(), packet, flag)
		return status(r)
	},
}

// registered is a waitable by RegisterWaitForSingleObject: a thread of the
// system's pool waits, and posts the packet. What it is given is a number, since
// a callback may run when the wait is over.
type registered struct {
	object
	port windows.Handle
	wait windows.Handle // of the system, 0 if there is none
	id   uintptr
}

// callbacks are the packets that waits owe. windows.NewCallback cannot be undone,
// so that there is one for all.
var callbacks = struct {
	sync.Mutex
	last    uintptr
	pending map[uintptr]callback
}{pending: make(map[uintptr]callback)}

type callback struct {
	port   windows.Handle
	cookie uintptr
}

var signalled = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(id, timedOut uintptr) uintptr {
		callbacks.Lock()
		defer callbacks.Unlock()
		if c, ok := callbacks.pending[id]; ok {
			delete(callbacks.pending, id)
			postTo(c.port, keyWaitable, c.cookie)
		}
		return 0
	})
})

func newRegistered(p *port, dup windows.Handle, level bool) waitable {
	return &registered{object: newObject(dup, level), port: p.handle}
}

func (w *registered) arm(cookie uintptr) (bool, error) {
	w.unregister()
	if is, err := w.test(w.handle); is || err != nil {
		return is, err
	}
	callbacks.Lock()
	callbacks.last++
	w.id = callbacks.last
	callbacks.pending[w.id] = callback{w.port, cookie}
	callbacks.Unlock()
	const executeOnlyOnce, executeInWaitThread = 8, 4
	r, _, errno := syscall.SyscallN(procRegister.Addr(), uintptr(unsafe.Pointer(&w.wait)), w.handle, signalled(), w.id,
		windows.INFINITE, executeOnlyOnce|executeInWaitThread)
	if r == 0 {
		w.wait = 0
		w.forget()
		return false, os.NewSyscallError("RegisterWaitForSingleObject", errno)
	}
	return false, nil
}

func (w *registered) disarm() (coming bool) {
	w.unregister()
	return !w.forget()
}

// forget reports whether the packet was not posted, and now never is.
func (w *registered) forget() bool {
	callbacks.Lock()
	defer callbacks.Unlock()
	_, ok := callbacks.pending[w.id]
	delete(callbacks.pending, w.id)
	return ok
}

// unregister waits until the callback has run, if it is about to.
func (w *registered) unregister() {
	if w.wait != 0 {
		syscall.SyscallN(procUnregister.Addr(), uintptr(w.wait), uintptr(windows.InvalidHandle))
		w.wait = 0
	}
}

func (w *registered) close() {
	w.unregister()
	w.object.close()
}
