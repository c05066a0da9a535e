// Package prefetch has the processor fetch into its caches what is about to be
// used, so that many misses take the time of one. Among a thousand jobs each is
// resumed with its stack and its goroutine out of the caches.
//
// The addresses are hints: nothing is read, and none of them faults. On an
// architecture without a file of assembly here nothing happens.
package prefetch
