package fdtest

import (
	"errors"
	"testing"
)

// errTaken is what Reopen panics with if another thread got the number.
var errTaken = errors.New("fdtest: Reopen outside Retry lost its number to another thread")

// Retry runs a part of a test that uses Reopen, and again if Reopen loses the
// number. That happens on Windows alone, where a thread of Go's that makes its
// events just then is handed the number: a chance of one in a hundred on a loaded
// machine. Five times in a row fail the test. Each time f has to begin with files
// of its own.
func Retry(t testing.TB, f func()) {
	t.Helper()
	for range 5 {
		if !taken(f) {
			return
		}
	}
	t.Fatal("five times the number was not to be had again")
}

// taken runs f and says whether it ended for errTaken.
func taken(f func()) (yes bool) {
	defer func() {
		switch e := recover(); e {
		case nil:
		case errTaken:
			yes = true
		default:
			panic(e)
		}
	}()
	f()
	return false
}
