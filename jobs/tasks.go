package jobs

// Tasks are jobs that another job starts and waits for. The first that returns
// an error cancels the rest, but not the owner, which hears of it by Wait. They are
// of normal priority. Make one with [NewTasks].
type Tasks struct {
	owner *task
	live  []Job
	err   error
	ended queue // holds the owner while it waits
}

// NewTasks returns an empty set of tasks of j, a Scheduler's job. It is j's
// alone, and j must Wait before it returns.
func NewTasks(j Job) (*Tasks, error) {
	t, err := j.loop()
	if err != nil {
		return nil, err
	}
	return &Tasks{owner: t}, nil
}

// Go starts fn as a job of the same scheduler, whose Context derives from the
// owner's, if that has one. After the first error it starts nothing and returns
// the zero Job.
func (g *Tasks) Go(fn func(Job) error) Job {
	if g.err != nil {
		return Job{}
	}
	s := g.owner.s
	var in Job // set before the loop comes to it
	in = s.Go(func(j Job) (err error) {
		err = ErrGoexit // of a panic too, whose error is in
		defer func() {
			if v := recover(); v != nil {
				err = newPanic(v)
			}
			g.remove(in)
			g.fail(err)
		}()
		if j.t.parent = g.owner.parent; g.owner.ctx != nil {
			j.t.parent = g.owner.ctx
		}
		return fn(j)
	})
	if in == (Job{}) {
		g.fail(ErrClosed)
		return in
	}
	g.live = append(g.live, in)
	return in
}

func (g *Tasks) remove(j Job) {
	for i, in := range g.live {
		if in == j {
			last := len(g.live) - 1
			g.live[i] = g.live[last]
			g.live = g.live[:last]
			break
		}
	}
	if len(g.live) == 0 {
		g.ended.letGo()
	}
}

// fail keeps the first error and cancels the rest.
func (g *Tasks) fail(err error) {
	if err == nil || g.err != nil {
		return
	}
	g.err = err
	for _, j := range g.live {
		if !j.Valid() { // it has renewed itself
			continue
		}
		j.t.cancel(ErrCanceled)
	}
}

// Wait pauses the owner until every task has ended, and returns the first
// error. A cancel or a deadline of the owner cancels the tasks, and is that
// error; Wait still returns only once they have ended.
func (g *Tasks) Wait() error {
	t := g.owner
	if t.state != stateRunning {
		return errNotRunning
	}
	for len(g.live) > 0 {
		if t.stop != nil {
			g.fail(*t.stop)
		}
		g.ended.push(t)
		t.block(onTasks)
	}
	return g.err
}
