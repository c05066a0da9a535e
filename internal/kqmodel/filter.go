//go:build linux

package kqmodel

import (
	"bide/internal/kqsys"

	"golang.org/x/sys/unix"
)

// run executes the filter: whether its condition holds, and the row that says
// so. Udata comes back as it was given (kqueue(2), udata).
func (kn *knote) run() (kqsys.Event, bool) {
	row := kqsys.Event{Ident: kn.ident, Filter: kn.filter, Flags: kn.flags, Udata: kn.udata}
	switch {
	case kn.filter == kqsys.User:
		return row, kn.triggered
	case kn.kind == unix.S_IFREG:
		row.Data = beforeEnd(int(kn.ident))
		return row, row.Data != 0
	case kn.unheard:
		return row, kn.filter != kqsys.Except
	}
	var events int16
	switch kn.filter {
	case kqsys.Read:
		events = unix.POLLIN | unix.POLLRDHUP
	case kqsys.Write:
		events = unix.POLLOUT
	case kqsys.Except:
		events = unix.POLLPRI | unix.POLLRDHUP
	}
	revents := poll(int(kn.ident), events)
	if revents&unix.POLLNVAL != 0 || revents == 0 {
		return row, false
	}
	if kn.over(revents) {
		row.Flags |= kqsys.EOF
		// kqueue(2), EVFILT_READ, Sockets: with EV_EOF, fflags is the socket's
		// error if there is one. EVFILT_WRITE: error handling is identical.
		if kn.kind == unix.S_IFSOCK && revents&unix.POLLERR != 0 {
			row.Fflags = uint32(unix.ECONNRESET)
		}
	}
	if kn.filter == kqsys.Except && revents&unix.POLLPRI != 0 {
		row.Fflags = kqsys.OOB // kqueue(2) of macOS, EVFILT_EXCEPT: out-of-band data has arrived
	}
	if kn.filter == kqsys.Read {
		row.Data = pending(int(kn.ident))
	}
	return row, true
}

// over is when a filter says EV_EOF.
//
// kqueue(2), EVFILT_READ, Sockets: if the read direction is shut down, maybe
// with data still pending. Fifos, Pipes: when the last writer disconnects.
// EVFILT_WRITE: when the reader disconnects. EVFILT_EXCEPT: as for EVFILT_READ.
func (kn *knote) over(revents int16) bool {
	if kn.kind == unix.S_IFSOCK {
		return revents&(unix.POLLRDHUP|unix.POLLHUP) != 0
	}
	return revents&(unix.POLLHUP|unix.POLLERR) != 0 // POLLERR: the end of a pipe that writes
}

// pending is what EVFILT_READ returns in data: the bytes there are to read, or
// 1 where the number is not to be had.
func pending(fd int) int64 {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 1
	}
	return int64(n)
}

// beforeEnd is data for a regular file. kqueue(2), EVFILT_READ, Vnodes: returns
// when the file pointer is not at the end; data is what lies between.
func beforeEnd(fd int) int64 {
	var st unix.Stat_t
	at, err := unix.Seek(fd, 0, 1)
	if err != nil || unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Size - at
}

// poll asks poll(2) about one descriptor, now.
func poll(fd int, events int16) int16 {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(fds, 0)
		if err == nil {
			return fds[0].Revents
		}
		if err != unix.EINTR {
			return unix.POLLNVAL
		}
	}
}
