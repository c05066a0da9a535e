// Package fdtest has descriptors for tests: pipes and sockets that are closed
// when the test ends, and a check that none was left open.
package fdtest
