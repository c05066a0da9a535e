//go:build unix

package poller_test

import (
	"fmt"
	"log"

	"bide/poller"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// A context says what to watch, the poller says what is ready, and the token
// of the event leads back to the wait.
func Example() {
	p, err := poller.New()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		log.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])

	var wc waitctx.WaitCtx
	if err := wc.Bind(1<<16, nil); err != nil { // what its tokens begin with
		log.Fatal(err)
	}
	update := func() { // brings the poller up to date
		changes := wc.Changes(nil)
		if err := p.Apply(changes); err != nil {
			log.Fatal(err)
		}
		wc.Ack()
	}
	wc.Set("input", waitctx.Wait{FD: waitctx.FD(pipe[0]), Interest: waitctx.Readable})
	update()

	events := make([]poller.Event, 16)
	n, err := p.Wait(events, 0)
	fmt.Println("before the write:", n, err)

	unix.Write(pipe[1], []byte("hello"))
	n, err = p.Wait(events, -1)
	for _, e := range events[:n] {
		key, _, wait, _ := wc.Find(e.Token)
		buf := make([]byte, 16)
		n, _ := unix.Read(int(wait.FD), buf)
		fmt.Println("ready:", key, string(buf[:n]), err)
	}

	wc.Clear("input") // delete before closing
	update()
	// Output:
	// before the write: 0 <nil>
	// ready: input hello <nil>
}
