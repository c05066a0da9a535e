//go:build libuv && cgo && unix

package main

/*
#cgo LDFLAGS: -luv
#include <stdlib.h>
#include <uv.h>

typedef struct {
	uv_loop_t loop;
	uv_poll_t ready; // watches the scheduler's descriptor
	uv_timer_t next; // the scheduler's next timer
	int due;         // a turn of the scheduler is
} host;

// No job may be resumed inside a callback, below which there is C. So these only
// set a flag.
static void on_ready(uv_poll_t *p, int status, int events) { ((host *)p->data)->due = 1; }
static void on_next(uv_timer_t *t) { ((host *)t->data)->due = 1; }

static int host_open(host *h, int fd) {
	int err = uv_loop_init(&h->loop);
	if (err != 0) return err;
	err = uv_poll_init(&h->loop, &h->ready, fd);
	if (err != 0) {
		uv_loop_close(&h->loop);
		return err;
	}
	uv_timer_init(&h->loop, &h->next);
	h->ready.data = h->next.data = h;
	return uv_poll_start(&h->ready, UV_READABLE, on_ready);
}

// host_arm has uv_run return after so many milliseconds, or never if negative.
static void host_arm(host *h, int64_t ms) {
	uv_update_time(&h->loop);
	if (ms < 0) uv_timer_stop(&h->next);
	else uv_timer_start(&h->next, on_next, (uint64_t)ms, 0);
}

static int host_close(host *h) {
	uv_close((uv_handle_t *)&h->ready, NULL);
	uv_close((uv_handle_t *)&h->next, NULL);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&h->loop); // UV_EBUSY: somebody else's handle is open
}
*/
import "C"

import (
	"errors"
	"time"
	"unsafe"

	"bide/jobs"
)

// host is a libuv loop that runs a scheduler's jobs beside its own handles. It
// belongs to one goroutine.
type host struct {
	c *C.host
	s *jobs.Scheduler
}

// newHost returns a host of s, which must not be closed before it.
func newHost(s *jobs.Scheduler) (*host, error) {
	fd, ok := s.FD()
	if !ok {
		return nil, errors.ErrUnsupported
	}
	h := &host{(*C.host)(C.calloc(1, C.sizeof_host)), s}
	if err := failure(C.host_open(h.c, C.int(fd))); err != nil {
		C.free(unsafe.Pointer(h.c))
		return nil, err
	}
	return h, nil
}

// run runs the loop until done says so, which is asked after each round.
func (h *host) run(done func() bool) error {
	for !done() {
		h.arm()
		C.uv_run(&h.c.loop, C.UV_RUN_ONCE)
		if h.c.due == 0 {
			continue
		}
		h.c.due = 0
		if _, err := h.s.RunOnce(0); err != nil {
			return err
		}
	}
	return nil
}

// arm sets the timer to when the scheduler wants a turn in any case.
func (h *host) arm() {
	ms := time.Duration(-1)
	if at, ok := h.s.Next(); ok {
		ms = max(time.Until(at)+time.Millisecond-1, 0) / time.Millisecond // rounded up
	}
	C.host_arm(h.c, C.int64_t(ms))
}

// close closes the loop. Other handles must have been closed before.
func (h *host) close() error {
	err := failure(C.host_close(h.c))
	C.free(unsafe.Pointer(h.c))
	return err
}

func failure(code C.int) error {
	if code == 0 {
		return nil
	}
	return errors.New("libuv: " + C.GoString(C.uv_strerror(code)))
}
