// Package chunks has a list that grows without copying.
//
// A slice that grows leaves its old arrays behind: a list of 10,000 items has
// gone through four times their size. A heap of a few megabytes is not
// collected, so that all of it stays resident.
package chunks

// size is how many items a chunk has. It is a power of two.
const size = 128

// List is a list of items that never move. The zero value is empty.
type List[T any] struct {
	chunks []*[size]T
	n      uint32
}

// Len is the number of items.
func (l *List[T]) Len() uint32 { return l.n }

// At is the item with a number below Len. It stays where it is.
func (l *List[T]) At(i uint32) *T { return &l.chunks[i/size][i%size] }

// Add appends a zero item and returns its number.
func (l *List[T]) Add() uint32 {
	if l.n%size == 0 {
		l.chunks = append(l.chunks, new([size]T))
	}
	l.n++
	return l.n - 1
}
