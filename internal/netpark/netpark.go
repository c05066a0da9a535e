//go:build linux

// Package netpark has a loop sleep on Go's own netpoller, which can watch any
// descriptor that poll(2) can: the goroutine is parked, and no thread is blocked
// in a system call.
//
// A blocked one is found by the runtime's monitor after 20 microseconds, which
// takes its processor away and stays awake for that. With one processor and
// little traffic this cost more than the traffic.
package netpark

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Parking is a descriptor that the netpoller watches. The zero value is none.
type Parking struct {
	file *os.File
	conn syscall.RawConn
	ask  func(uintptr) bool
}

// Open hands a descriptor to the netpoller and owns it from here on, also if it
// fails. The netpoller watches for edges, and ask reports whether there is
// something.
func (k *Parking) Open(fd int, ask func(uintptr) bool) error {
	if err := unix.SetNonblock(fd, true); err != nil { // or os.NewFile would not try
		unix.Close(fd)
		return err
	}
	file := os.NewFile(uintptr(fd), "park")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return err
	}
	k.file, k.conn, k.ask = file, conn, ask
	return nil
}

// Opened reports whether there is a descriptor.
func (k *Parking) Opened() bool { return k.file != nil }

// Park sleeps until ask reports true, which it is asked at first and with each
// edge. The first look comes after the netpoller was told to forget what it
// knows, so that nothing falls between the two. An error says that the netpoller
// does not take the descriptor.
func (k *Parking) Park() error { return k.conn.Read(k.ask) }

// Close closes the descriptor.
func (k *Parking) Close() {
	if k.file != nil {
		k.file.Close()
	}
	*k = Parking{}
}
