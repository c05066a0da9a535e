package jobs

// ring is a first-in first-out queue of tasks.
type ring struct {
	items []*task // power of two
	head  int
	n     int
}

func (r *ring) push(t *task) {
	if r.n == len(r.items) {
		grown := make([]*task, max(16, 2*r.n))
		for i := range r.n {
			grown[i] = r.items[(r.head+i)&(len(r.items)-1)]
		}
		r.items, r.head = grown, 0
	}
	r.items[(r.head+r.n)&(len(r.items)-1)] = t
	r.n++
}

func (r *ring) pop() *task {
	t := r.items[r.head]
	r.items[r.head] = nil
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	return t
}

// first is what pop will return.
func (r *ring) first() *task { return r.items[r.head] }
