//go:build amd64 || arm64

package prefetch

// Job fetches what resuming a paused job touches first: the stack around sp,
// which is where it paused; its goroutine, see G; the closures of iter.Pull that
// resume and pause it; a line of the rest of its record; and what it waits on, a
// WaitCtx and what that is embedded in.
func Job(sp, goroutine, next, yield, rest, wc uintptr)

// G is the goroutine that runs, or 0 for not known.
func G() uintptr
