package jobs

import (
	"context"
	"sync"
)

// workers is the bounded set of goroutines that Await runs on. They end when
// there is nothing left to do.
type workers struct {
	mu      sync.Mutex
	max     int
	running int
	queue   []func()
}

func (w *workers) do(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running >= w.max {
		w.queue = append(w.queue, fn)
		return
	}
	w.running++
	go w.run(fn)
}

// run runs fn and then what is queued. If one calls runtime.Goexit, which ends
// this goroutine, another goes on.
func (w *workers) run(fn func()) {
	defer func() {
		if fn != nil {
			if fn = w.next(); fn != nil {
				go w.run(fn)
			}
		}
	}()
	for fn != nil {
		fn()
		fn = w.next()
	}
}

// next takes what is queued first. With nothing left the goroutine is to end.
func (w *workers) next() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.running--
		return nil
	}
	fn := w.queue[0]
	w.queue[0] = nil // or what it holds would stay
	if w.queue = w.queue[1:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return fn
}

// awaited is the result on its way from a worker to a job.
type awaited[T any] struct {
	value T
	err   error
	done  bool // loop only
}

// Await runs fn on another goroutine, of a bounded set, and pauses the job
// until it has returned. When the job is stopped first, fn's context is
// done, Await returns why, and the late result is dropped. A panic in fn is a
// *PanicError. Outside a job fn is called directly. The context is fn's alone: it
// carries nothing of the job's. What is queued for a free goroutine is called even
// if the job was stopped meanwhile, with its context done. In a Pool's job it returns
// ErrNotLoop.
func Await[T any](j Job, fn func(context.Context) (T, error)) (T, error) {
	t, err := j.loop()
	if err != nil {
		if j.t == nil {
			return fn(context.Background())
		}
		var zero T
		return zero, err
	}
	if err := t.check(); err != nil {
		var zero T
		return zero, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := new(awaited[T])
	s := t.s
	s.work.do(func() {
		var v T
		var err error
		defer func() {
			if p := recover(); p != nil {
				err = newPanic(p)
			}
			s.Post(func() {
				r.value, r.err, r.done = v, err, true
				if t.gen == j.gen && t.on == onWork {
					s.wake(t, nil) // which may wait for another result by now, and looks
				}
			})
		}()
		err = ErrGoexit
		v, err = fn(ctx)
	})
	for !r.done {
		if err := t.block(onWork); err != nil && !r.done {
			var zero T
			return zero, err
		}
	}
	return r.value, r.err
}
