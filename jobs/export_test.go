package jobs

import (
	"time"
	"unsafe"

	"bide/poller"
)

// Queue is a queue whose tasks are known by number.
type Queue struct {
	q     queue
	tasks map[int]*task
}

// Push adds a task.
func (q *Queue) Push(number int) {
	if q.tasks == nil {
		q.tasks = map[int]*task{}
	}
	q.tasks[number] = &task{run: run{index: int32(number)}}
	q.q.push(q.tasks[number])
}

// Remove takes a task out, and reports whether it still points into the queue.
func (q *Queue) Remove(number int) (tied bool) {
	t := q.tasks[number]
	delete(q.tasks, number)
	q.q.remove(t)
	return t.queue != nil || t.prior != nil || t.after != nil
}

// Numbers returns those in the queue, from the first, and the one that is its
// last by the link from the first; -1 if there is none.
func (q *Queue) Numbers() (all []int, last int) {
	for t := q.q.head; t != nil; t = t.after {
		all = append(all, int(t.index))
	}
	if q.q.head == nil {
		return nil, -1
	}
	return all, int(q.q.head.prior.index)
}

// SourceSize is what a Watch takes besides its context.
const SourceSize = unsafe.Sizeof(source{})

// PausedAt is where a job paused and on which goroutine, as far as the loop knows.
func PausedAt(j Job) (sp, goroutine uintptr) { return j.t.sp, j.t.goroutine }

// RestsInATurn reports whether a watchdog that goes to rest does so for good when a
// turn has begun since it last looked.
func RestsInATurn() bool {
	s := &Scheduler{epoch: time.Now()}
	d := &watchdog{s: s, limit: time.Hour, kick: make(chan struct{}, 1), done: make(chan struct{})}
	d.begin()
	close(d.done) // else it would rest until the next turn
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	return !d.rest(tick)
}

// Timers is the number of timers a scheduler holds.
func Timers(s *Scheduler) int { return len(s.timers) }

// Unawaited is what Stats counts, between two turns.
func (s *Scheduler) Unawaited() uint64 { return s.stats.Unawaited }

// Quiet is how many waits of the job's context are remembered as ready unawaited.
func Quiet(j Job) (n int) {
	for q := j.t.context().quiet; q != nil; q = q.next {
		n++
	}
	return n
}

// Held is how many items a channel keeps alive.
func Held[T any](c *Chan[*T]) (n int) {
	for _, all := range [][]*T{c.items[:cap(c.items)], c.hands} {
		for _, v := range all {
			if v != nil {
				n++
			}
		}
	}
	return n
}

// PollerOf is a scheduler's poller.
func PollerOf(s *Scheduler) poller.Poller { return s.poller }

// SetClockForward is as if the machine's clock were set forward: the wall clock of when
// the scheduler was made is that much older then, its monotonic reading the same.
func SetClockForward(s *Scheduler, d time.Duration) {
	const second = 1 << 30 // of a Time's first word, if that has a monotonic reading
	*(*uint64)(unsafe.Pointer(&s.epoch)) -= uint64(d/time.Second) * second
}
