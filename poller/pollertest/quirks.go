package pollertest

import "runtime"

// Where the tests allow a backend what others do not need. Consumers have no use
// for it, so Caps does not say.

// holdsFiles says that a poll holds the file it is for, also when its number was
// closed. When it fires, the file may go, and its peer hang up.
func (s *suite) holdsFiles() bool { return s.caps.Name == "iouring" }

// cancelsSlowly says that a poll which is canceled must be over before the next
// one of its file begins, and that this takes its time.
func (s *suite) cancelsSlowly() bool { return s.caps.Name == "iocp" }

// tellsInParts says that a poll is over with the first thing that is ready; the
// rest comes with the next one.
func (s *suite) tellsInParts() bool { return s.caps.Name == "iocp" }

// seesLastByte says that ReadyRdHup is told: only Linux's poll(2) has POLLRDHUP.
func (s *suite) seesLastByte() bool { return s.caps.Name != "pollfd" || runtime.GOOS == "linux" }
