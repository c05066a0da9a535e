// Package fdtest has descriptors for tests: pipes and sockets that are closed
// when the test ends, and checks that none was left open and no goroutine.
package fdtest
