//go:build linux

// Foreignloop runs bide's jobs inside an epoll loop of its own, with package
// waitctx and a Pool and nothing of the Scheduler: the way OpenSSL's
// ASYNC_start_job(3) tells an application to do it.
//
//	go run ./examples/foreignloop
package main

import (
	"fmt"
	"log"

	"golang.org/x/sys/unix"

	"bide/jobs"
	"bide/waitctx"
)

// loop is the host: its epoll descriptor, and who waits under which token.
type loop struct {
	epfd    int
	pool    *jobs.Pool
	parties map[waitctx.Token]*party
	changes []waitctx.Change
}

// party is one job with the context it waits on.
type party struct {
	wc  waitctx.WaitCtx
	job jobs.Job
}

// start runs fn until its first pause.
func (l *loop) start(fn func(jobs.Job) error) error {
	p := new(party)
	job, status, err := l.pool.Start(&p.wc, fn)
	p.job = job
	return l.after(p, status, err)
}

// after applies what the job's last step changed about its waits.
func (l *loop) after(p *party, status jobs.Status, err error) error {
	if status == jobs.Finished {
		p.wc.Close()
	}
	l.changes = p.wc.Changes(l.changes[:0])
	var failed []waitctx.Change
	for _, c := range l.changes {
		if c.Err = l.apply(p, c); c.Err != nil {
			failed = append(failed, c)
		}
	}
	p.wc.Ack(failed...) // cleanups run here: now descriptors may be closed
	return err
}

// apply is one step of the diff: unbound contexts use the ID as the token.
func (l *loop) apply(p *party, c waitctx.Change) error {
	ev := unix.EpollEvent{Fd: int32(c.Token), Pad: int32(c.Token >> 32)}
	if c.Interest&waitctx.Readable != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if c.Interest&waitctx.Writable != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	switch c.Op {
	case waitctx.OpAdd:
		l.parties[c.Token] = p
		return unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, int(c.FD), &ev)
	case waitctx.OpModify:
		return unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, int(c.FD), &ev)
	}
	delete(l.parties, c.Token)
	unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, int(c.FD), &ev) // gone already is as good
	return nil
}

// run resumes jobs as their descriptors become ready, until none is left.
func (l *loop) run() error {
	events := make([]unix.EpollEvent, 64)
	for l.pool.Live() > 0 {
		n, err := unix.EpollWait(l.epfd, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		for _, ev := range events[:n] {
			p := l.parties[waitctx.Token(uint32(ev.Fd))|waitctx.Token(uint32(ev.Pad))<<32]
			if p == nil {
				continue // a delete took it away earlier in this batch
			}
			status, err := p.job.Resume()
			if err := l.after(p, status, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// countdown is a job: it is told n times through an eventfd of its own.
func countdown(name string, n int) func(jobs.Job) error {
	return func(j jobs.Job) error {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return err
		}
		err = j.WaitCtx().Set("signal", waitctx.Wait{
			FD: waitctx.FD(fd), Data: name,
			Cleanup: func(_ any, w waitctx.Wait) { unix.Close(int(w.FD)) },
		})
		if err != nil {
			unix.Close(fd)
			return err
		}
		buf := make([]byte, 8)
		for ; n > 0; n-- {
			fmt.Println(name, n)
			unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // readable before the pause
			if err := j.Pause(); err != nil {
				return err
			}
			unix.Read(fd, buf)
		}
		fmt.Println(name, "done")
		return nil
	}
}

func main() {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		log.Fatal("foreignloop: ", err)
	}
	pool, err := jobs.NewPool(0, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	l := &loop{epfd: epfd, pool: pool, parties: make(map[waitctx.Token]*party)}
	for _, name := range []string{"a", "b"} {
		if err := l.start(countdown(name, 3)); err != nil {
			log.Fatal("foreignloop: ", err)
		}
	}
	if err := l.run(); err != nil {
		log.Fatal("foreignloop: ", err)
	}
}
