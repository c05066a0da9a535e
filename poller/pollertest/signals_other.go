//go:build unix && !linux

package pollertest

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// signals sends the process a stream of SIGURG, which is what Go interrupts
// threads with anyway, until the function it returns is called. Some of it
// reaches the waiting thread.
func (s *suite) signals() (stop func()) {
	pid := os.Getpid()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				unix.Kill(pid, unix.SIGURG)
				runtime.Gosched()
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}
