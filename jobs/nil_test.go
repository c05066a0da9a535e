package jobs_test

import (
	"strings"
	"testing"

	"bide/jobs"
)

// TestNilArguments: what can return an error does not panic, there or later on
// another goroutine.
func TestNilArguments(t *testing.T) {
	s, err := jobs.New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, call := range map[string]func() error{
		"OnReady": func() error { return s.OnReady(nil) },
		"Start":   func() error { _, err := s.Start(nil); return err },
		"Watch":   func() error { _, err := s.Watch(nil, nil); return err },
		"Do":      func() error { return s.Do(t.Context(), nil) },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), name+" of a nil") {
			t.Errorf("%s(nil) = %v, want an error that says so", name, err)
		}
	}
	if n := s.Live(); n != 0 {
		t.Errorf("%d live jobs, want 0", n)
	}
}
