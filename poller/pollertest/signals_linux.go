package pollertest

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// signals sends the calling goroutine's thread a stream of SIGURG, which is
// what Go interrupts threads with anyway, until the function it returns is
// called.
func (s *suite) signals() (stop func()) {
	runtime.LockOSThread()
	pid, tid := os.Getpid(), unix.Gettid()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				unix.Tgkill(pid, tid, unix.SIGURG)
				runtime.Gosched()
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
		runtime.UnlockOSThread()
	}
}
