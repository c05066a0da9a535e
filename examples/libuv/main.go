//go:build libuv && cgo && unix

// Libuv runs bide's jobs in a program whose loop is libuv's: a timer of C's and a
// job of Go's, on one thread. It needs libuv (Debian: libuv1-dev) and cgo.
//
//	go run -tags libuv ./examples/libuv
//
// host.go is what to copy. On Windows, where a scheduler has no FD, the host has
// Scheduler.OnReady call uv_async_send.
package main

/*
#include <unistd.h>
#include <uv.h>

// A ticker is libuv's side of the story: a timer that writes to a pipe.
typedef struct {
	uv_timer_t timer;
	int fd, left;
} ticker;

static void on_tick(uv_timer_t *t) {
	ticker *k = t->data;
	ssize_t n = write(k->fd, "x", 1);
	(void)n;
	if (--k->left == 0) uv_close((uv_handle_t *)t, NULL);
}

static ticker only;

static void tick(uv_loop_t *loop, int fd, int times, int ms) {
	only.fd = fd;
	only.left = times;
	only.timer.data = &only;
	uv_timer_init(loop, &only.timer);
	uv_timer_start(&only.timer, on_tick, ms, ms);
}

// Many a C library keeps state for each thread, as this does.
static __thread int count;
static int counted(void) { return ++count; }
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"log"
	"runtime"
	"time"

	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// counted is how often the calling thread has called it.
func counted() int { return int(C.counted()) }

// tick has libuv write to fd so many times, and then close its timer.
func (h *host) tick(fd, times int, every time.Duration) {
	C.tick(&h.c.loop, C.int(fd), C.int(times), C.int(every/time.Millisecond))
}

// demo runs a job that reads what libuv's timer writes, and one that has timers
// of its own.
func demo(out io.Writer) error {
	s, err := jobs.New()
	if err != nil {
		return err
	}
	defer s.Close()
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		return err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	unix.SetNonblock(p[0], true)
	h, err := newHost(s)
	if err != nil {
		return err
	}
	const ticks = 5
	h.tick(p[1], ticks, 2*time.Millisecond)
	s.Go(func(j jobs.Job) error {
		for n := 0; n < ticks; {
			if err := j.Wait(waitctx.FD(p[0]), waitctx.Readable); err != nil {
				return err
			}
			var b [ticks]byte
			got, _ := unix.Read(p[0], b[:])
			n += max(got, 0)
		}
		fmt.Fprintf(out, "%d ticks of libuv's timer, C called %d times by this thread\n", ticks, counted())
		return nil
	})
	s.Go(func(j jobs.Job) error {
		for range ticks {
			if err := j.Sleep(time.Millisecond); err != nil {
				return err
			}
			counted()
		}
		fmt.Fprintf(out, "%d times slept\n", ticks)
		return nil
	})
	err = h.run(func() bool { return s.Live() == 0 })
	return errors.Join(err, h.close())
}

func main() {
	runtime.LockOSThread() // for what is C's and a thread's; bide does not ask for it
	if err := demo(log.Writer()); err != nil {
		log.Fatal("libuv: ", err)
	}
}
