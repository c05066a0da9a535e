package waitctx

import "errors"

// FD is what the operating system waits on: a file descriptor, or on Windows
// a SOCKET or a HANDLE.
type FD uintptr

// BadFD is the descriptor no wait accepts: -1, and on Windows
// INVALID_HANDLE_VALUE and INVALID_SOCKET.
const BadFD = ^FD(0)

// Interest says which readiness a wait is for.
type Interest uint8

const (
	Readable Interest = 1 << iota // data, a connection to accept, end of file
	Writable                      // room for data, or a finished connect
	Priority                      // out-of-band data
	Silent                        // registered for hang-up and error only
)

// Edge goes beside Readable or Writable (alone it means Readable), and lets a poller tell readiness once
// instead of as long as it lasts. In exchange the consumer promises to drain:
// before it awaits the descriptor again, it reads or writes until a call would block
// or has moved less than it was given. What comes after that is told.
//
// A poller may tell more often, and one without Caps.Edges ignores Edge. A poller
// looks anew when a registration is added, modified or rearmed. An end of the
// stream, an error and urgent data may hide behind a short read: once one of them
// was told, the registration goes on without Edge until the next modify.
//
// Edge is for stream sockets and pipes. For Unix sockets, whose reads end where
// descriptors were passed, and for MPTCP a short read proves nothing: only a call
// that would block ends the draining. Nobody else may take urgent data from the
// descriptor. A consumer that cannot promise to drain, but sees when nothing is
// left, has Watch.SetDrained of package jobs.
const Edge Interest = Silent << 1

// Kind tells Windows what sort of handle a wait is for. Other systems have
// only File and ignore it.
type Kind uint8

const (
	Auto     Kind = iota // found out when it is registered
	File                 // a file descriptor
	Socket               // a Windows SOCKET
	Waitable             // a Windows event, process, thread, timer or semaphore
	Pipe                 // a Windows anonymous pipe
)

// Token is chosen by whoever applies changes and comes back verbatim in
// events. See [WaitCtx.Bind].
type Token uint64

// ID identifies one registration, and is never used twice in a process. It is
// what tells two registrations of one descriptor number apart: the file behind
// a number may differ.
type ID uint64

// Op is what a change asks for.
type Op uint8

const (
	OpDelete Op = 1 + iota
	OpModify    // of interest, token, or both
	OpAdd
)

// Change is one step that brings a poller up to date with a WaitCtx.
type Change struct {
	Op       Op
	ID       ID
	FD       FD
	Kind     Kind
	Interest Interest // never zero in an add or a modify
	Token    Token
	Err      error // filled in by the poller that was given the change
}

// Ready says what became of a descriptor. Of an end or an error, ReadyErr and
// ReadyHup are told whatever the interest, ReadyRdHup if it is Readable.
type Ready uint16

const (
	ReadyIn     Ready = 1 << iota // reading will not block: data, end of file, hang-up or error
	ReadyOut                      // writing will not block
	ReadyPri                      // out-of-band data
	ReadyErr                      // an error is pending (SO_ERROR)
	ReadyHup                      // of a socket both directions are shut down, of a pipe the other end is closed
	ReadyRdHup                    // the peer sent its last byte
	ReadyClosed                   // the file is gone: closed without a delete, and its number used again
)

// Event is one registration found ready. Err is set only where the backend
// can no longer watch the registration.
type Event struct {
	Token Token
	Ready Ready
	Err   error
}

// FilePolicy is what a backend does with a regular file or a directory.
type FilePolicy uint8

const (
	RejectFiles FilePolicy = iota // an add fails with ErrNotPollable
	FilesReady                    // always ready, as poll(2) has it
)

// Caps says what a backend can do. The conformance suite checks that what is
// declared here is true.
type Caps struct {
	Name      string     // of the backend's package
	Files     FilePolicy // regular files and directories
	Waitables bool       // handles of Kind Waitable, on Windows
	Pipes     bool       // anonymous pipes; true on every Unix
	Nestable  bool       // FD returns a descriptor
	SeesReuse bool       // a closed and reused number is noticed when it is added again
	SubMilli  bool       // timeouts below a millisecond are kept
	Priority  bool       // out-of-band data is told; without it an interest in that gets errors.ErrUnsupported
	Edges     bool       // Edge is honoured; without it readiness is told while it lasts
}

// Errors that pollers share. They live here so that a backend imports neither
// package poller nor another backend.
var (
	// ErrBusy: a second goroutine called Wait, or a second job or consumer took a
	// WaitCtx.
	ErrBusy = errors.New("waitctx: busy: one at a time")
	// ErrClosed: the WaitCtx or the poller was closed.
	ErrClosed = errors.New("waitctx: closed")
	// ErrNotPollable: the kernel cannot watch this kind of file.
	ErrNotPollable = errors.New("waitctx: this kind of file cannot be polled")
	// ErrNotFound: a modify or delete names a registration the poller does not hold.
	ErrNotFound = errors.New("waitctx: no such registration")
	// ErrExists: an add names a registration the poller already holds.
	ErrExists = errors.New("waitctx: registration exists")
)
