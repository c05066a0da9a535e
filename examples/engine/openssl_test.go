//go:build openssl && linux && cgo

package main

import (
	"fmt"
	"runtime"
	"testing"

	"bide/internal/fdtest"
	"bide/jobs"
	"bide/poller/epoll"
)

// talk runs a handshake whose servername callback pauses, and records whose
// writes do.
func talk(t *tls, records int) error {
	before := paused()
	if err := t.handshake(); err != nil {
		return err
	}
	if paused() == before {
		return fmt.Errorf("the handshake did not pause")
	}
	for n := range records {
		before := paused()
		want := fmt.Sprintf("record %d", n)
		got, err := t.send([]byte(want))
		if err != nil || string(got) != want {
			return fmt.Errorf("record %d: %q, %v", n, got, err)
		}
		if paused() == before {
			return fmt.Errorf("record %d did not pause", n)
		}
	}
	return t.close()
}

// onThread locks the test to a thread, which belongs to OpenSSL's jobs, and has
// it end with nothing left over.
func onThread(t *testing.T) *epoll.Poller {
	t.Helper()
	fdtest.CheckGoroutines(t)
	fdtest.Check(t)
	p, err := epoll.New()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	t.Cleanup(func() {
		cleanupThread()
		runtime.UnlockOSThread()
		p.Close()
	})
	return p
}

// TestOpenSSL: a handshake and 1,000 records through a WaitCtx and a poller, with
// a call of epoll_ctl for each add and delete.
func TestOpenSSL(t *testing.T) {
	p := onThread(t)
	w := &onPoller{p: p}
	s, err := newTLS(w)
	if err != nil {
		t.Fatal(err)
	}
	before := paused()
	if err := talk(s, 1000); err != nil {
		t.Fatal(err)
	}
	if n := paused() - before; n < 1001 {
		t.Errorf("%d pauses for a handshake and 1,000 records", n)
	}
	if ctl := p.Stats().Ctl; ctl != uint64(w.applied) || w.applied != 2 {
		t.Errorf("%d calls of epoll_ctl for %d adds and deletes, want 2, 2", ctl, w.applied)
	}
	t.Logf("%d pauses, %d adds and deletes, %d calls of epoll_ctl", paused()-before, w.applied, p.Stats().Ctl)
}

// TestOpenSSLInJobs: several servers, each in a job of a scheduler whose loop is
// locked to the thread. While one is paused in C the others go on.
func TestOpenSSLInJobs(t *testing.T) {
	p := onThread(t)
	const servers, records = 4, 50
	waiting, most := 0, 0
	err := run(t, p, func(j jobs.Job) error {
		g, err := jobs.NewTasks(j)
		if err != nil {
			return err
		}
		for range servers {
			g.Go(func(j jobs.Job) error {
				s, err := newTLS(counting{inJob{j}, &waiting, &most})
				if err != nil {
					return err
				}
				return talk(s, records)
			})
		}
		return g.Wait()
	})
	if err != nil {
		t.Error(err)
	}
	if most < 2 {
		t.Errorf("at most %d servers were paused at a time, want several", most)
	}
	if ctl := p.Stats().Ctl; ctl != 2*servers {
		t.Errorf("%d calls of epoll_ctl, want an add and a delete for each of %d servers", ctl, servers)
	}
}

// counting notes how many wait at a time.
type counting struct {
	waiting
	now, most *int
}

func (c counting) pause() error {
	*c.now++
	*c.most = max(*c.most, *c.now)
	defer func() { *c.now-- }()
	return c.waiting.pause()
}
