package main

import (
	"bytes"
	"errors"
	"strconv"
)

// What a client may send: else it is told so, and the connection is closed.
const (
	maxArgs = 64
	maxBulk = 512 << 10
	maxLine = 64 << 10
)

var (
	errArgs   = errors.New("invalid multibulk length")
	errBulk   = errors.New("invalid bulk length")
	errDollar = errors.New("expected '$'")
	errEnd    = errors.New("expected CRLF")
	errLine   = errors.New("too big inline request")
)

// parse returns the first command of in, which its arguments point into, and how
// long it is: 0 if it is not complete. It may be empty.
func parse(in []byte) (args [][]byte, n int, err error) {
	if len(in) == 0 {
		return nil, 0, nil
	}
	if in[0] != '*' {
		line, n := cutLine(in)
		if n == 0 && len(in) > maxLine {
			return nil, 0, errLine
		}
		return bytes.Fields(line), n, nil
	}
	count, n, err := number(in, maxArgs, errArgs)
	if n == 0 || err != nil {
		return nil, 0, err
	}
	if count > 0 {
		args = make([][]byte, 0, count)
	}
	for range count {
		if n == len(in) {
			return nil, 0, nil
		}
		if in[n] != '$' {
			return nil, 0, errDollar
		}
		size, head, err := number(in[n:], maxBulk, errBulk)
		if head == 0 || err != nil {
			return nil, 0, err
		}
		if size < 0 {
			return nil, 0, errBulk
		}
		n += head
		if len(in) < n+size+2 {
			return nil, 0, nil
		}
		if in[n+size] != '\r' || in[n+size+1] != '\n' {
			return nil, 0, errEnd
		}
		args = append(args, in[n:n+size:n+size])
		n += size + 2
	}
	return args, n, nil
}

// number parses a line of a mark and a number from -1 to most; n is 0 if the line
// is not complete.
func number(in []byte, most int, bad error) (v, n int, err error) {
	line, n := cutLine(in)
	if n == 0 {
		if len(in) > 32 {
			return 0, 0, bad
		}
		return 0, 0, nil
	}
	v, err = strconv.Atoi(string(line[1:]))
	if err != nil || v < -1 || v > most {
		return 0, 0, bad
	}
	return v, n, nil
}

// cutLine returns the line in begins with, and its length with its end.
func cutLine(in []byte) (line []byte, n int) {
	i := bytes.IndexByte(in, '\n')
	if i < 0 {
		return nil, 0
	}
	return bytes.TrimSuffix(in[:i], []byte{'\r'}), i + 1
}

func appendSimple(out []byte, s string) []byte {
	return append(append(append(out, '+'), s...), "\r\n"...)
}

func appendError(out []byte, s string) []byte {
	return append(append(append(out, "-ERR "...), s...), "\r\n"...)
}

// appendBroken says that what was sent is not the protocol.
func appendBroken(out []byte, err error) []byte {
	return appendError(out, "Protocol error: "+err.Error())
}

func appendInt(out []byte, n int) []byte {
	return append(strconv.AppendInt(append(out, ':'), int64(n), 10), "\r\n"...)
}

func appendBulk[T string | []byte](out []byte, b T) []byte {
	out = append(strconv.AppendInt(append(out, '$'), int64(len(b)), 10), "\r\n"...)
	return append(append(out, b...), "\r\n"...)
}
