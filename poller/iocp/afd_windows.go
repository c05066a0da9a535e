package iocp

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	ioctlAfdPoll = 0x00012024

	sioBaseHandle      = 0x48000022
	sioBspHandle       = 0x4800001B
	sioBspHandleSelect = 0x4800001C
	sioBspHandlePoll   = 0x4800001D

	fileSkipSetEventOnHandle = 2
)

// leastInfo is the size of AFD_POLL_INFO, less than which the driver may refuse. On
// 386 Go leaves the padding at its end out.
const leastInfo = 32

// opsSize is how much memory for polls is reserved at a time, which is also the
// least that VirtualAlloc reserves.
const opsSize = 64 << 10

// answer is where now's polls put theirs.
type answer struct {
	status windows.IO_STATUS_BLOCK
	info   struct {
		timeout   int64
		handles   uint32
		exclusive uint32
		targets   [64]target
	}
}

// baseHandle is the socket that the driver knows, behind software layered over
// Winsock. Some of it hides SIO_BASE_HANDLE, and gives itself away by answering
// one of the others with a different socket (mio#1314, wepoll's ws.c).
//
// Whether it is a socket at all SO_TYPE tells: Wine answers SIO_BASE_HANDLE for
// any handle.
func baseHandle(h windows.Handle) (windows.Handle, error) {
	const soType = 0x1008
	if _, err := windows.GetsockoptInt(h, windows.SOL_SOCKET, soType); err != nil {
		return 0, err
	}
	base, err := askHandle(h, sioBaseHandle)
	if err == nil {
		return base, nil
	}
	for _, code := range []uint32{sioBspHandleSelect, sioBspHandlePoll, sioBspHandle} {
		below, e := askHandle(h, code)
		if e != nil || below == h {
			continue
		}
		if base, e := askHandle(below, sioBaseHandle); e == nil {
			return base, nil
		}
		return below, nil
	}
	return 0, err
}

func askHandle(h windows.Handle, code uint32) (answer windows.Handle, err error) {
	var n uint32
	err = windows.WSAIoctl(h, code, nil, 0, (*byte)(unsafe.Pointer(&answer)), uint32(unsafe.Sizeof(answer)), &n, nil, 0)
	return answer, err
}

// openHelper opens \Device\Afd. The last component of the name may be anything,
// but not be missing; without extended attributes the handle is no socket.
func openHelper() (windows.Handle, error) {
	name, err := windows.NewNTUnicodeString(`\Device\Afd\bide`)
	if err != nil {
		return 0, err
	}
	attributes := windows.OBJECT_ATTRIBUTES{ObjectName: name}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	var h windows.Handle
	var iosb windows.IO_STATUS_BLOCK
	err = windows.NtCreateFile(&h, windows.SYNCHRONIZE, &attributes, &iosb, nil, 0,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, windows.FILE_OPEN, 0, 0, 0)
	return h, os.NewSyscallError("NtCreateFile", err)
}

// newHelper opens a helper handle that reports to the port. Polls that succeed
// at once must report too, so that FILE_SKIP_COMPLETION_PORT_ON_SUCCESS is not
// set.
func (p *port) newHelper() (uintptr, error) {
	h, err := openHelper()
	if err != nil {
		return 0, err
	}
	if _, err := windows.CreateIoCompletionPort(h, p.handle, keySocket, 0); err != nil {
		windows.CloseHandle(h)
		return 0, os.NewSyscallError("CreateIoCompletionPort", err)
	}
	windows.SetFileCompletionNotificationModes(h, fileSkipSetEventOnHandle) // saves time where it works
	return uintptr(h), nil
}

func (p *port) newOps() ([]op, error) {
	at, err := windows.VirtualAlloc(0, opsSize, windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, os.NewSyscallError("VirtualAlloc", err)
	}
	// Not a conversion of a Go address that was an integer meanwhile, which is
	// what vet warns of: the memory is not Go's.
	first := *(**op)(unsafe.Pointer(&at))
	return unsafe.Slice(first, opsSize/unsafe.Sizeof(*first)), nil
}

func (p *port) freeOps(ops []op) {
	windows.VirtualFree(uintptr(unsafe.Pointer(&ops[0])), 0, windows.MEM_RELEASE)
}

func (p *port) submit(helper uintptr, o *op, cookie uintptr) status {
	info, size := uintptr(unsafe.Pointer(&o.info)), max(unsafe.Sizeof(o.info), leastInfo)
	r, _, _ := syscall.SyscallN(procDeviceIoControl.Addr(), helper, 0, 0, cookie,
		uintptr(unsafe.Pointer(o)), ioctlAfdPoll, info, size, info, size)
	return status(r)
}

func (p *port) cancel(helper uintptr, o *op) status {
	var iosb windows.IO_STATUS_BLOCK
	r, _, _ := syscall.SyscallN(procCancelIoEx.Addr(), helper,
		uintptr(unsafe.Pointer(o)), uintptr(unsafe.Pointer(&iosb)))
	return status(r)
}

// now polls with a timeout of zero. The answer lists only what is ready, in the
// order of the question.
func (p *port) now(targets []target) status {
	a := &p.answer
	for len(targets) > 0 {
		n := copy(a.info.targets[:], targets)
		a.info.timeout, a.info.handles, a.info.exclusive = 0, uint32(n), 0
		if st := p.informed(n); st.failed() {
			return st
		}
		found := a.info.targets[:min(int(a.info.handles), n)]
		for i := range targets[:n] {
			if len(found) > 0 && found[0].handle == targets[i].handle {
				targets[i].events &= found[0].events
				found = found[1:]
			} else {
				targets[i].events = 0
			}
		}
		targets = targets[n:]
	}
	return statusSuccess
}

// informed runs one such poll to its end.
func (p *port) informed(n int) status {
	a := &p.answer
	size := max(unsafe.Offsetof(a.info.targets)+uintptr(n)*unsafe.Sizeof(target{}), leastInfo)
	info := uintptr(unsafe.Pointer(&a.info))
	windows.ResetEvent(p.event)
	r, _, _ := syscall.SyscallN(procDeviceIoControl.Addr(), uintptr(p.inform), uintptr(p.event), 0, 0,
		uintptr(unsafe.Pointer(&a.status)), ioctlAfdPoll, info, size, info, size)
	st := status(r)
	if st == statusPending {
		windows.WaitForSingleObject(p.event, windows.INFINITE)
		st = status(a.status.Status)
	}
	return st
}
