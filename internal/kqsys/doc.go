// Package kqsys is the seam between poller/kqueue and the kernel: kqueue(2) and
// kevent(2), with one set of types and constants for all systems.
//
// [Open] goes to the kernel, on the systems that have one. Tests on others put
// a model of kqueue in its place, see package kqmodel.
//
// The kernel keeps Udata and gives it back. It is an integer here, although
// the systems declare a pointer: the rows handed to the kernel lie in memory
// that the garbage collector takes for integers.
package kqsys
