package pollertest

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// handleTests are about what only one system has: here the descriptors that Linux
// makes of other things than streams. Each is silent until something happens, told
// as long as it is not read, and silent again. signalfd(2) is not among them, as a
// Go program has to be started with the signal blocked: see docs/backends.md.
var handleTests = []subtest{
	{"64 eventfd", func(s *suite) {
		fd := s.own(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
		s.happens(fd, func() { s.write(fd, "\x01\x00\x00\x00\x00\x00\x00\x00") })
	}},
	{"64 timerfd", func(s *suite) {
		fd := s.own(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK))
		s.happens(fd, func() {
			in := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(time.Millisecond))}
			s.must(unix.TimerfdSettime(fd, 0, &in, nil))
		})
	}},
	{"64 inotify", func(s *suite) {
		fd := s.own(unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK))
		dir := s.TempDir()
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
			s.Fatal(err)
		}
		n := 0
		s.happens(fd, func() {
			n++
			s.must(os.Mkdir(filepath.Join(dir, string(rune('a'+n))), 0o700))
		})
	}},
	{"64 epoll set", func(s *suite) {
		inner := s.own(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK))
		fd := s.own(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		s.must(unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, inner, &unix.EpollEvent{Events: unix.EPOLLIN}))
		r := s.addFD(fd)
		s.silent()
		for range 2 {
			s.write(inner, "\x01\x00\x00\x00\x00\x00\x00\x00")
			s.expect(r, waitctx.ReadyIn)
			s.expect(r, waitctx.ReadyIn)
			s.drain(inner)
			s.silent()
		}
	}},
	{"64 UDP socket", func(s *suite) {
		fd := s.own(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
		s.must(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		to, err := unix.Getsockname(fd)
		s.must(err)
		s.happens(fd, func() { s.must(unix.Sendto(fd, []byte("datagram"), 0, to)) })
	}},
	{"64 netlink socket", func(s *suite) {
		fd := s.own(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE))
		// An nlmsghdr and a rtgenmsg that ask for the interfaces: rtnetlink(7).
		const size = unix.SizeofNlMsghdr + unix.SizeofRtGenmsg
		ask := binary.NativeEndian.AppendUint32(nil, size)
		ask = binary.NativeEndian.AppendUint16(ask, unix.RTM_GETLINK)
		ask = binary.NativeEndian.AppendUint16(ask, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
		ask = append(ask, make([]byte, size-len(ask))...)
		s.happens(fd, func() { s.must(unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})) })
	}},
	{"64 FIFO", func(s *suite) {
		path := filepath.Join(s.TempDir(), "fifo")
		s.must(unix.Mkfifo(path, 0o600))
		fd := s.own(unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0))
		s.happens(fd, func() { s.write(fd, "x") })
	}},
	{"64 pseudoterminal", func(s *suite) {
		ptm, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			s.Skipf("no pseudoterminals here: %v", err)
		}
		s.own(ptm, nil)
		s.must(unix.IoctlSetPointerInt(ptm, unix.TIOCSPTLCK, 0))
		peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ptm), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK)
		if errno != 0 {
			s.Fatal("TIOCGPTPEER: ", errno)
		}
		pts := s.own(int(peer), nil)
		s.happens(pts, func() { s.write(ptm, "a line\n") })
	}},
	{"64 pidfd", func(s *suite) {
		cmd := exec.Command("/bin/sh", "-c", "read line")
		stdin, err := cmd.StdinPipe()
		s.must(err)
		s.must(cmd.Start())
		s.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		fd := s.own(unix.PidfdOpen(cmd.Process.Pid, unix.PIDFD_NONBLOCK))
		r := s.addFD(fd)
		s.silent()
		s.must(stdin.Close())
		for range 3 {
			s.expect(r, waitctx.ReadyIn)
		}
		s.delete(r)
		s.silent()
	}},
}

// own has a descriptor closed when the test ends.
func (s *suite) own(fd int, err error) int {
	s.Helper()
	s.must(err)
	s.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) write(fd int, b string) {
	s.Helper()
	if n, err := unix.Write(fd, []byte(b)); n != len(b) {
		s.Fatalf("write() = %d, %v, want %d", n, err, len(b))
	}
}

// drain reads until there is no more.
func (s *suite) drain(fd int) {
	s.Helper()
	b := make([]byte, 4096)
	for n := 0; ; n++ {
		switch _, err := unix.Read(fd, b); {
		case err == syscall.EAGAIN && n > 0:
			return
		case err != nil:
			s.Fatalf("read() = %v, want something, and then EAGAIN", err)
		}
	}
}

func (s *suite) addFD(fd int) reg {
	s.Helper()
	r := newReg(waitctx.FD(fd), readable)
	s.apply(r.add())
	return r
}

// happens checks that what event makes happen is told of fd until it is read.
func (s *suite) happens(fd int, event func()) {
	s.Helper()
	r := s.addFD(fd)
	s.silent()
	for range 2 {
		event()
		s.expect(r, waitctx.ReadyIn)
		s.expect(r, waitctx.ReadyIn)
		s.drain(fd)
		s.silent()
	}
	event()
	s.expect(r, waitctx.ReadyIn)
	s.delete(r)
	s.silent()
}
