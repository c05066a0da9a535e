//go:build windows

// Winedies polls numbers that other threads are making sockets of, which ends
// Wine's server, and this program with it. Where it comes to its last line,
// fdtest.DiesOfReuse and what asks it can go.
package main

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const ioctlAfdPoll = 0x00012024

var procControl = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtDeviceIoControlFile")

// What the system writes to.
var (
	status windows.IO_STATUS_BLOCK
	info   struct { // AFD_POLL_INFO
		timeout          int64
		count, exclusive uint32
		handle           windows.Handle
		events, status   uint32
	}
)

func open() windows.Handle {
	s, err := windows.WSASocket(windows.AF_INET, windows.SOCK_STREAM, 0, nil, 0, 0)
	if err != nil {
		panic(err)
	}
	return s
}

func main() {
	var data windows.WSAData
	if err := windows.WSAStartup(0x202, &data); err != nil {
		panic(err)
	}
	helper, first := open(), open()
	for range 4 {
		go func() {
			for {
				windows.Closesocket(open())
			}
		}()
	}
	at := uintptr(unsafe.Pointer(&info))
	for i, end := 0, time.Now().Add(10*time.Second); time.Now().Before(end); i++ {
		info.count, info.handle, info.events = 1, first+windows.Handle(4*(i%16)), 1
		procControl.Call(uintptr(helper), 0, 0, 0, uintptr(unsafe.Pointer(&status)), ioctlAfdPoll,
			at, unsafe.Sizeof(info), at, unsafe.Sizeof(info))
	}
	fmt.Println("the server lives")
}
