//go:build linux || darwin || freebsd

package jobevio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bide/jobs"
	"bide/jobs/jobevio"
)

// handleLines is a Handle that calls fn with each line.
func handleLines(fn func(j jobs.Job, c *jobevio.Conn, line []byte) error) func(jobs.Job, *jobevio.Conn, []byte) (int, error) {
	return func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			return 0, nil
		}
		return i + 1, fn(j, c, in[:i])
	}
}

// TestHandle: requests that pause in every way, or not, in one piece and in many:
// the answers have their order, a request keeps its bytes while it is paused and
// more arrives, and each is a job of its own.
func TestHandle(t *testing.T) {
	var mu sync.Mutex
	var stale []jobs.Job
	h := start(t, &jobevio.Server{NumLoops: 2, Handle: handleLines(func(j jobs.Job, c *jobevio.Conn, line []byte) (err error) {
		text := string(line)
		mu.Lock()
		if len(stale) < 1000 {
			stale = append(stale, j)
		}
		mu.Unlock()
		switch len(line) % 5 {
		case 1:
			j.Waker().Wake()
			err = j.Park()
		case 2:
			err = j.Sleep(0)
		case 3:
			_, err = jobs.Await(j, func(context.Context) (int, error) { return 0, nil })
		}
		if string(line) != text {
			t.Errorf("the request was %q, and is %q after a pause", text, line)
		}
		fmt.Fprintln(c, text)
		return err
	})})
	var clients sync.WaitGroup
	for n := range 8 {
		c := h.dial()
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 2))
			var out, want strings.Builder
			for i := range 500 {
				line := fmt.Sprintf("%d/%d %s", n, i, strings.Repeat("z", r.IntN(40)))
				out.WriteString(line + "\n")
				want.WriteString(line + "\n")
			}
			size := func() int { return 1 + r.IntN(300) }
			if n == 0 {
				size = out.Len // all at once
			}
			exchange(t, c, out.String(), want.String(), size)
		})
	}
	clients.Wait()
	h.stop()
	for i, j := range stale {
		if j.Valid() {
			t.Errorf("job %d is valid after its end", i)
		}
		for _, other := range stale[:i] {
			if other == j {
				t.Errorf("two requests were the same job")
			}
		}
	}
	if errs := h.failed(); len(errs) != 0 {
		t.Errorf("Failed was told %v, want nothing", errs)
	}
}

// TestHandleReadsOn: a request that wants more than it was given reads it, and the
// next one is given what is left.
func TestHandleReadsOn(t *testing.T) {
	begun := make(chan struct{}, 1)
	h := start(t, &jobevio.Server{Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
		if string(in) == "body\n" {
			begun <- struct{}{}
			var b [6]byte
			for n := 0; n < len(b); {
				m, err := c.Read(j, b[n:])
				if err != nil {
					return 0, err
				}
				n += m
			}
			fmt.Fprintf(c, "%s with %s\n", in[:4], b[:])
			return len(in), nil
		}
		fmt.Fprintf(c, "%q\n", in)
		return len(in), nil
	}})
	c := h.dial()
	for range 3 {
		send(t, c, "body\n")
		receive(t, begun)
		send(t, c, "123")
		send(t, c, "456rest\n")
		expect(t, c, "body with 123456\n\"rest\\n\"\n")
	}
}

// TestHandleInputBound: a request that never is complete, and input while one is
// paused, end at the limit; larger ones do not, piece by piece.
func TestHandleInputBound(t *testing.T) {
	const limit = 256 << 10
	wakers := make(chan jobs.Waker, 1)
	s := &jobevio.Server{MaxInput: limit, Handle: handleLines(func(j jobs.Job, c *jobevio.Conn, line []byte) error {
		if string(line) == "pause" {
			wakers <- j.Waker()
			return j.Park()
		}
		fmt.Fprintln(c, len(line))
		return nil
	})}
	closed := make(chan error, 1)
	s.Closed = func(_ *jobevio.Conn, err error) { closed <- err }
	h := start(t, s)
	block := []byte(strings.Repeat("x", 64<<10))
	for i, begin := range []string{"", "pause\n"} {
		c := h.dial()
		send(t, c, "pause\n"+strings.Repeat("y", 1000)+"\n"+strings.Repeat("z", limit/2)+"\n")
		receive(t, wakers).Wake()
		expect(t, c, fmt.Sprintf("1000\n%d\n", limit/2))
		send(t, c, begin)
		if begin != "" {
			receive(t, wakers)
		}
		var err error
		for n := 0; err == nil; n += len(block) {
			if n > 64<<20 {
				t.Fatal("64 MiB were taken of a request without an end")
			}
			_, err = c.Write(block)
		}
		receive(t, closed)
		if errs := h.failed(); len(errs) != i+1 || errs[i] != jobevio.ErrInput {
			t.Errorf("Failed was told %v, want ErrInput", errs)
		}
	}
}

// TestHandleFails: each way to fail ends one connection, after what was written.
func TestHandleFails(t *testing.T) {
	bad := errors.New("bad")
	h := start(t, &jobevio.Server{Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
		c.Write(in)
		line := strings.TrimSuffix(string(in), "\n")
		if strings.HasPrefix(line, "later ") {
			j.Sleep(0)
		}
		switch strings.TrimPrefix(line, "later ") {
		case "error":
			return 0, bad
		case "panic":
			panic(bad)
		case "exit":
			runtime.Goexit()
		case "too much":
			return len(in) + 1, nil
		case "too little":
			return -1, nil
		case "close":
			c.Close()
		}
		return len(in), nil
	}})
	other := h.dial()
	lines := []string{"error", "panic", "exit", "too much", "too little", "close"}
	for _, later := range []string{"", "later "} {
		for _, line := range lines {
			c := h.dial()
			send(t, c, later+line+"\n")
			if got, err := io.ReadAll(c); string(got) != later+line+"\n" || err != nil {
				t.Errorf("ReadAll() = %q, %v, want the line, nil", got, err)
			}
			send(t, other, "still there\n")
			expect(t, other, "still there\n")
		}
	}
	errs := h.failed()
	if len(errs) != 2*(len(lines)-1) || !errors.Is(errs[0], bad) || errs[2] != jobs.ErrGoexit {
		t.Errorf("Failed was told %v, want one error for each but the last", errs)
		return
	}
	for _, err := range errs[3:5] {
		if p := new(jobs.PanicError); errors.As(err, &p) {
			t.Errorf("taking too much or too little = %v, want an error that says so", err)
		}
	}
}

// TestHandleEnds: the peer leaves, or the server is stopped, while requests are
// paused and more have arrived. They unwind, and no further one begins.
func TestHandleEnds(t *testing.T) {
	begun, closed := make(chan struct{}, 10), make(chan int, 10)
	var mu sync.Mutex
	unwound := 0
	s := &jobevio.Server{Handle: handleLines(func(j jobs.Job, c *jobevio.Conn, line []byte) error {
		if string(line) != "pause" {
			t.Error("a request of a connection that has ended began")
		}
		begun <- struct{}{}
		err := j.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		unwound++
		return err
	})}
	s.Closed = func(c *jobevio.Conn, err error) { closed <- c.Live() }
	h := start(t, s)
	for range 2 {
		c := h.dial()
		send(t, c, "pause\nnext\n")
		receive(t, begun)
		c.Close()
		if n := receive(t, closed); n != 0 {
			t.Errorf("%d live jobs, want 0", n)
		}
	}
	for range 3 {
		send(t, h.dial(), "pause\nnext\n")
		receive(t, begun)
	}
	h.stop()
	if errs := h.failed(); len(errs) != 0 || unwound != 5 {
		t.Errorf("%d jobs have unwound, and Failed was told %v, want 5, nothing", unwound, errs)
	}
}

// TestHandleMovesItsInput: what requests have left is moved to the buffer's
// beginning, so that a stream of requests that never end together stays in one.
func TestHandleMovesItsInput(t *testing.T) {
	buffers := make(chan []byte, 1)
	h := start(t, &jobevio.Server{Handle: handleLines(func(j jobs.Job, c *jobevio.Conn, line []byte) error {
		if string(line) == "buffer" {
			buffers <- c.Buffer()
		}
		fmt.Fprintln(c, len(line))
		return nil
	})})
	c := h.dial()
	line := strings.Repeat("x", 999)
	var was []byte
	for n := range 3 {
		send(t, c, "buffer\n"+line[:10])
		expect(t, c, "6\n")
		now := receive(t, buffers)
		if n > 1 && &now[0] != &was[0] && len(now) <= len(was) {
			t.Errorf("another buffer of %d bytes was made, where there was one of %d", len(now), len(was))
		}
		was = now
		for range 100 {
			send(t, c, line[10:]+"\n"+line[:500])
			expect(t, c, "999\n")
			send(t, c, line[500:]+"\n"+line[:10])
			expect(t, c, "999\n")
		}
		send(t, c, line[10:]+"\n")
		expect(t, c, "999\n")
	}
}

// TestHandleAsksAgain: a request that is not complete, and for whose sake the job
// waits a little, is given what has arrived meanwhile.
func TestHandleAsksAgain(t *testing.T) {
	wakers := make(chan jobs.Waker, 1)
	h := start(t, &jobevio.Server{Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
		if i := bytes.IndexByte(in, '\n'); i >= 0 {
			fmt.Fprintf(c, "%q\n", in[:i])
			return i + 1, nil
		}
		wakers <- j.Waker()
		return 0, j.Park()
	}})
	c := h.dial()
	send(t, c, "half")
	w := receive(t, wakers)
	send(t, c, " and half\n")
	// The second half is there once another connection was served after it.
	for range 100 {
		other := h.dial()
		send(t, other, "x\n")
		expect(t, other, "\"x\"\n")
		other.Close()
	}
	w.Wake()
	expect(t, c, "\"half and half\"\n")
}

// TestHandleDoesNotAllocate: a request costs no memory, whether it pauses or not.
func TestHandleDoesNotAllocate(t *testing.T) {
	for _, pause := range []bool{false, true} {
		h := start(t, &jobevio.Server{Handle: func(j jobs.Job, c *jobevio.Conn, in []byte) (int, error) {
			if pause {
				j.Waker().Wake()
				if err := j.Park(); err != nil {
					return 0, err
				}
			}
			return c.Write(in[:1])
		}})
		c := h.dial()
		const rounds, requests = 500, 16
		question, answer := make([]byte, requests), make([]byte, requests)
		round := func() {
			if _, err := c.Write(question); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, answer); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			round()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			round()
		}
		runtime.ReadMemStats(&after)
		if n := float64(after.Mallocs-before.Mallocs) / (rounds * requests); n > 0.1 {
			t.Errorf("pause = %v: %.2f allocations a request, want none", pause, n)
		}
	}
}
