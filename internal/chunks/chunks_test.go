package chunks

import "testing"

func TestItemsStayWhereTheyAre(t *testing.T) {
	const n = 3*size + 1
	var l List[int]
	var at [n]*int
	for i := range uint32(n) {
		if got := l.Add(); got != i {
			t.Fatalf("Add() = %d, want %d", got, i)
		}
		at[i] = l.At(i)
		if *at[i] != 0 {
			t.Errorf("item %d is %d, want 0", i, *at[i])
		}
		*at[i] = int(i)
	}
	if l.Len() != n {
		t.Errorf("Len() = %d, want %d", l.Len(), n)
	}
	for i := range uint32(n) {
		if l.At(i) != at[i] || *at[i] != int(i) {
			t.Errorf("item %d is %d at %p, want it at %p", i, *l.At(i), l.At(i), at[i])
		}
	}
}

func TestAtBeyondTheEndPanics(t *testing.T) {
	var l List[int]
	l.Add()
	defer func() {
		if recover() == nil {
			t.Error("At(size) did not panic")
		}
	}()
	l.At(size)
}
