//go:build amd64 || arm64

package prefetch

// Coroutine fetches what a switch to a paused coroutine touches: the stack
// around sp, which is where it paused; its goroutine, see G; and the closures of
// iter.Pull that resume and pause it.
func Coroutine(sp, goroutine, next, yield uintptr)

// Around fetches the cache line that p is in, the one before and the one after.
func Around(p uintptr)

// G is the goroutine that runs, or 0 for not known.
func G() uintptr
