package jobs_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bide/jobs"
)

// A queue keeps its order whoever leaves it, compared with a slice.
func TestQueueKeepsItsOrder(t *testing.T) {
	var q jobs.Queue
	var model []int
	r := rand.New(rand.NewPCG(1, 2))
	for next := range 10_000 {
		if n := len(model); n == 0 || n < 8 && r.IntN(2) == 0 {
			q.Push(next)
			model = append(model, next)
		} else {
			i := r.IntN(n)
			if q.Remove(model[i]) {
				t.Fatal("a task that was removed still points into the queue")
			}
			model = slices.Delete(model, i, i+1)
		}
		got, last := q.Numbers()
		if !slices.Equal(got, model) {
			t.Fatalf("the queue is %v, want %v", got, model)
		}
		if n := len(model); n > 0 && last != model[n-1] {
			t.Fatalf("the last is %d, want %d", last, model[n-1])
		}
	}
}
