package jobs

// received is what came of a receive, if it is done.
type received[T any] struct {
	v        T
	ok, done bool
}

// Recv receives from a Go channel. While that is empty it pauses j, and has a
// goroutine receive in its place; ok is false if the channel is closed. Between jobs
// of one loop use a Chan, which needs no goroutine. When j is stopped meanwhile Recv
// returns why, unless a value was received by then: none is lost. Outside a job it
// is the receive itself; in a Pool's job it returns ErrNotLoop.
func Recv[T any](j Job, ch <-chan T) (v T, ok bool, err error) {
	t, err := j.loop()
	switch {
	case j.t == nil:
		v, ok = <-ch
		return v, ok, nil
	case err != nil:
		return v, false, err
	}
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	if err := t.check(); err != nil {
		return v, false, err
	}
	result, stop := make(chan received[T], 1), make(chan struct{})
	go func() {
		var r received[T]
		select {
		case r.v, r.ok = <-ch:
			r.done = true
		case <-stop:
		}
		result <- r
		t.s.Post(func() {
			if t.gen == j.gen && t.on == onWork {
				t.s.wake(t, nil)
			}
		})
	}()
	for {
		if err := t.block(onWork); err != nil {
			close(stop)
			r := <-result // at once
			if r.done {
				return r.v, r.ok, nil
			}
			return v, false, err
		}
		select {
		case r := <-result:
			return r.v, r.ok, nil
		default: // the wake was for an earlier result that came too late
		}
	}
}
