//go:build linux

// Foreignloop runs bide's jobs inside an epoll loop of its own, with package
// waitctx and a Pool and nothing of the Scheduler: the way OpenSSL's
// ASYNC_start_job(3) tells an application to do it.
//
//	go run ./examples/foreignloop
package main

import (
	"errors"
	"fmt"
	"log"

	"bide/jobs"
	"bide/waitctx"

	"golang.org/x/sys/unix"
)

// loop is the host: its epoll descriptor, and who waits under which token.
type loop struct {
	epfd    int
	pool    *jobs.Pool
	parties map[waitctx.Token]*party
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

func (l *loop) resume(p *party) error {
	status, err := p.job.Resume()
	return l.after(p, status, err)
}

// after applies what the job's last step changed about its waits.
func (l *loop) after(p *party, status jobs.Status, err error) error {
	if status == jobs.Finished {
		p.wc.Close()
	}
	var failed []waitctx.Change
	for _, c := range p.wc.Changes(nil) {
		if c.Err = l.apply(p, c); c.Err != nil {
			failed = append(failed, c)
		}
	}
	p.wc.Ack(failed...) // cleanups run here: now descriptors may be closed
	if status == jobs.Paused && len(failed) > 0 {
		return l.resume(p) // it finds the reason in its WaitCtx
	}
	return err
}

// apply is one step of the diff: unbound contexts use the ID as the token. A
// Silent wait is for errors and hang-up, which epoll always tells of.
func (l *loop) apply(p *party, c waitctx.Change) error {
	ev := unix.EpollEvent{Fd: int32(c.Token), Pad: int32(c.Token >> 32)}
	if c.Interest&waitctx.Readable != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if c.Interest&waitctx.Writable != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	if c.Interest&waitctx.Priority != 0 {
		ev.Events |= unix.EPOLLPRI
	}
	switch c.Op {
	case waitctx.OpAdd:
		if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, int(c.FD), &ev); err != nil {
			return err
		}
		l.parties[c.Token] = p
		return nil
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
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			p := l.parties[waitctx.Token(uint32(ev.Fd))|waitctx.Token(uint32(ev.Pad))<<32]
			if p != nil { // else a delete took it away earlier in this batch
				if err := l.resume(p); err != nil {
					return err
				}
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
			return errors.Join(err, unix.Close(fd))
		}
		buf := make([]byte, 8)
		for ; n > 0; n-- {
			fmt.Println(name, n)
			unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // readable before the pause
			if err := j.Pause(); err != nil {
				return err
			}
			if err := j.WaitCtx().Err("signal"); err != nil {
				return err // refused, and closed by the cleanup
			}
			unix.Read(fd, buf)
		}
		fmt.Println(name, "done")
		return nil
	}
}

func main() {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	pool, perr := jobs.NewPool(0, 2)
	if err = errors.Join(err, perr); err != nil {
		log.Fatal("foreignloop: ", err)
	}
	defer pool.Close()
	l := &loop{epfd: epfd, pool: pool, parties: make(map[waitctx.Token]*party)}
	err = errors.Join(l.start(countdown("a", 3)), l.start(countdown("b", 3)), l.run())
	if err != nil {
		log.Fatal("foreignloop: ", err)
	}
}
