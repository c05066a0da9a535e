package waitctx_test

import (
	"fmt"

	"bide/waitctx"
)

// The producer sets and clears waits; the consumer applies the difference and
// acknowledges it. Nothing is reported twice, and the descriptor is closed only
// once the kernel has let go of it.
func Example() {
	var c waitctx.WaitCtx
	var changes []waitctx.Change
	apply := func() { // stands for a poller
		changes = c.Changes(changes[:0])
		for _, ch := range changes {
			fmt.Println([]string{1: "delete", 2: "modify", 3: "add"}[ch.Op], ch.FD)
		}
		c.Ack()
	}

	closeFD := func(key any, w waitctx.Wait) { fmt.Println("close", key, w.FD) }
	c.Set("reply", waitctx.Wait{FD: 7, Cleanup: closeFD})
	apply()

	c.SetInterest("reply", waitctx.Readable|waitctx.Writable)
	apply()

	c.Set("unseen", waitctx.Wait{FD: 8})
	c.Clear("unseen")
	apply() // nothing: nobody was told

	c.Release("reply")
	fmt.Println("released, still open")
	apply()
	// Output:
	// add 7
	// modify 7
	// released, still open
	// delete 7
	// close reply 7
}

// A kernel that refuses a descriptor takes only that wait away.
func ExampleWaitCtx_Ack() {
	var c waitctx.WaitCtx
	c.Set("pipe", waitctx.Wait{FD: 3})
	c.Set("file", waitctx.Wait{FD: 4})

	var failed []waitctx.Change
	for _, ch := range c.Changes(nil) {
		if ch.FD == 4 {
			ch.Err = waitctx.ErrNotPollable
			failed = append(failed, ch)
		}
	}
	c.Ack(failed...)
	fmt.Println(c.Len(), c.Err("file"))
	// Output: 1 waitctx: this kind of file cannot be polled
}
