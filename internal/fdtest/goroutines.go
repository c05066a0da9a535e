package fdtest

import (
	"regexp"
	"runtime"
	"testing"
	"time"
)

// CheckGoroutines fails the test if it ends with goroutines that were not there
// when this was called. Those on their way out get ten seconds. Call it first:
// what is registered with t.Cleanup earlier runs later.
func CheckGoroutines(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			after := goroutines()
			for id := range before {
				delete(after, id)
			}
			if len(after) == 0 {
				return
			}
			if time.Now().After(end) {
				for _, stack := range after {
					t.Errorf("left over:\n%s", stack)
				}
				return
			}
		}
	})
}

var goroutine = regexp.MustCompile(`(?m)^goroutine (\d+) (?s:.*?)(?:\n\n|\z)`)

// goroutines returns the stack of each goroutine by its number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	all := make(map[string]string)
	for _, m := range goroutine.FindAllStringSubmatch(string(buf[:n]), -1) {
		all[m[1]] = m[0]
	}
	return all
}
