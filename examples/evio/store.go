//go:build linux || darwin || freebsd

package main

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// store is the data, and the pipe that FEED and READ share. It belongs to the
// server's one loop.
type store struct {
	values map[string][]byte
	r, w   int
}

func newStore() (*store, error) {
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	return &store{values: make(map[string][]byte), r: fds[0], w: fds[1]}, nil
}

func (s *store) close() {
	unix.Close(s.r)
	unix.Close(s.w)
}

// is reports whether a command's name is name, which is in upper case.
func is(arg []byte, name string) bool {
	if len(arg) != len(name) {
		return false
	}
	for i, c := range arg {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// execute runs a command that answers at once, and appends its answer, or an
// error.
func (s *store) execute(out []byte, args [][]byte) []byte {
	switch name, n := args[0], len(args); {
	case is(name, "GET") && n == 2:
		if v, ok := s.values[string(args[1])]; ok {
			return appendBulk(out, v)
		}
		return append(out, "$-1\r\n"...)
	case is(name, "SET") && n == 3:
		s.values[string(args[1])] = bytes.Clone(args[2])
		return appendSimple(out, "OK")
	case is(name, "DEL") && n > 1:
		gone := 0
		for _, key := range args[1:] {
			if _, ok := s.values[string(key)]; ok {
				delete(s.values, string(key))
				gone++
			}
		}
		return appendInt(out, gone)
	case is(name, "PING") && n == 1:
		return appendSimple(out, "PONG")
	case (is(name, "PING") || is(name, "ECHO")) && n == 2:
		return appendBulk(out, args[1])
	case is(name, "FEED") && n == 2:
		k, err := unix.Write(s.w, args[1])
		if err != nil {
			return appendError(out, "FEED: "+err.Error())
		}
		return appendInt(out, k)
	case is(name, "CONFIG") && n == 3: // which redis-benchmark asks for
		return appendBulk(appendBulk(append(out, "*2\r\n"...), args[2]), "")
	case is(name, "COMMAND"): // and redis-cli
		return append(out, "*0\r\n"...)
	case known(name):
		return appendError(out, "wrong number of arguments")
	}
	return appendError(out, fmt.Sprintf("unknown command %.32q", args[0]))
}

func known(name []byte) bool {
	for _, k := range []string{"GET", "SET", "DEL", "PING", "ECHO", "FEED", "SLEEP", "READ", "AWAIT"} {
		if is(name, k) {
			return true
		}
	}
	return false
}
