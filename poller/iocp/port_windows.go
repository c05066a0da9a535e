package iocp

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"bide/waitctx"

	"golang.org/x/sys/windows"
)

// What golang.org/x/sys/windows lacks, or wants pointers for where cookies go.
var (
	kernel32 = windows.NewLazySystemDLL("kernel32.dll")
	ntdll    = windows.NewLazySystemDLL("ntdll.dll")

	procGet  = kernel32.NewProc("GetQueuedCompletionStatusEx")
	procPost = kernel32.NewProc("PostQueuedCompletionStatus")
	procPeek = kernel32.NewProc("PeekNamedPipe")

	procDeviceIoControl = ntdll.NewProc("NtDeviceIoControlFile")
	procCancelIoEx      = ntdll.NewProc("NtCancelIoFileEx")
	procQueryObject     = ntdll.NewProc("NtQueryObject")
)

// port is the system itself: a completion port, and a helper handle and an event
// for polls that are over at once.
type port struct {
	handle windows.Handle
	inform windows.Handle // helper that is not bound to the port
	event  windows.Handle
	answer answer
	waits  func(p *port, h windows.Handle, level bool) waitable
}

// openSystem makes a completion port.
func openSystem() (system, error) {
	for _, proc := range []*windows.LazyProc{procGet, procPost, procPeek, procDeviceIoControl, procCancelIoEx, procQueryObject} {
		if err := proc.Find(); err != nil {
			return nil, err
		}
	}
	var data windows.WSAData
	if err := windows.WSAStartup(0x202, &data); err != nil {
		return nil, os.NewSyscallError("WSAStartup", err)
	}
	h, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 1)
	if err != nil {
		return nil, os.NewSyscallError("CreateIoCompletionPort", err)
	}
	p := &port{handle: h, waits: newWaits()}
	if p.event, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		p.close()
		return nil, os.NewSyscallError("CreateEvent", err)
	}
	if p.inform, err = openHelper(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// get wraps GetQueuedCompletionStatusEx, with the timeout rounded up.
func (p *port) get(rows []packet, timeout time.Duration) (int, error) {
	var n uint32
	r, _, errno := syscall.SyscallN(procGet.Addr(), uintptr(p.handle), uintptr(unsafe.Pointer(&rows[0])),
		uintptr(len(rows)), uintptr(unsafe.Pointer(&n)), uintptr(millis(timeout)), 0)
	if r == 0 {
		if errno == syscall.Errno(windows.WAIT_TIMEOUT) {
			return 0, nil
		}
		return 0, os.NewSyscallError("GetQueuedCompletionStatusEx", errno)
	}
	return int(n), nil
}

// millis rounds up, as a Wait is never early.
func millis(d time.Duration) uint32 {
	if d < 0 {
		return windows.INFINITE
	}
	return uint32((min(d, maxSleep) + time.Millisecond - 1) / time.Millisecond)
}

func (p *port) post(key, cookie uintptr) error {
	return postTo(p.handle, key, cookie)
}

func postTo(h windows.Handle, key, cookie uintptr) error {
	if r, _, errno := syscall.SyscallN(procPost.Addr(), uintptr(h), 0, key, cookie); r == 0 {
		return os.NewSyscallError("PostQueuedCompletionStatus", errno)
	}
	return nil
}

// classify finds the kind of a handle out, or sees to it that it is of the kind
// it was said to be. To the system sockets and pipes are files: Winsock knows
// which are sockets.
func (p *port) classify(fd waitctx.FD, kind waitctx.Kind) (waitctx.Kind, uintptr, error) {
	h := windows.Handle(fd)
	if uint64(fd) >= 1<<31 { // INVALID_HANDLE_VALUE, and those that mean the current process and its kin
		return 0, 0, os.NewSyscallError("NtQueryObject", windows.ERROR_INVALID_HANDLE)
	}
	name, err := typeName(h)
	if err != nil {
		return 0, 0, err
	}
	found := waitctx.Auto
	var base windows.Handle
	switch name {
	case "Event", "Process", "Thread", "Semaphore", "Timer", "Job":
		found = waitctx.Waitable
	case "File":
		if base, err = baseHandle(h); err == nil {
			found = waitctx.Socket
		} else if err != windows.WSAENOTSOCK {
			return 0, 0, os.NewSyscallError("WSAIoctl", err)
		} else if typ, _ := windows.GetFileType(h); typ == windows.FILE_TYPE_PIPE {
			if _, err := p.peek(fd); err == nil {
				found = waitctx.Pipe
			}
		}
	}
	if found == waitctx.Auto || kind != waitctx.Auto && kind != waitctx.File && kind != found {
		return 0, 0, waitctx.ErrNotPollable
	}
	return found, uintptr(base), nil
}

// typeName is the name of the type of an object: OBJECT_TYPE_INFORMATION begins
// with it.
func typeName(h windows.Handle) (string, error) {
	const objectTypeInformation = 2
	var info struct {
		name windows.NTUnicodeString
		rest [1024]byte
	}
	var length uint32
	r, _, _ := syscall.SyscallN(procQueryObject.Addr(), uintptr(h), objectTypeInformation,
		uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&length)))
	if st := status(r); st.gone() {
		return "", os.NewSyscallError("NtQueryObject", windows.ERROR_INVALID_HANDLE)
	} else if st.failed() {
		return "", os.NewSyscallError("NtQueryObject", windows.NTStatus(st))
	}
	return info.name.String(), nil
}

// peek wraps PeekNamedPipe, which serves anonymous pipes too.
func (p *port) peek(h waitctx.FD) (pipeState, error) {
	var n uint32
	r, _, errno := syscall.SyscallN(procPeek.Addr(), uintptr(h), 0, 0, 0, uintptr(unsafe.Pointer(&n)), 0)
	switch {
	case r != 0 && n > 0:
		return pipeData, nil
	case r != 0:
		return pipeEmpty, nil
	case errno == windows.ERROR_BROKEN_PIPE:
		return pipeEnd, nil
	}
	return 0, os.NewSyscallError("PeekNamedPipe", errno)
}

func (p *port) closeHandle(h uintptr) { windows.CloseHandle(windows.Handle(h)) }

func (p *port) close() error {
	for _, h := range []windows.Handle{p.inform, p.event} {
		if h != 0 {
			windows.CloseHandle(h)
		}
	}
	return os.NewSyscallError("CloseHandle", windows.CloseHandle(p.handle))
}
