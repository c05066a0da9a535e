package jobs_test

import (
	"strings"
	"testing"

	"bide/jobs"
	"bide/poller/pollertest"
)

func TestGroupSharesNoPoller(t *testing.T) {
	m := pollertest.NewMemory()
	defer m.Close()
	g, err := jobs.NewGroup(1, jobs.WithPoller(m))
	if err != nil {
		t.Fatalf("NewGroup(1) = %v, want a group", err)
	}
	g.Close()
	if g, err = jobs.NewGroup(2, jobs.WithPoller(m)); err == nil {
		g.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "WithPoller") {
		t.Errorf("NewGroup(2) = %v, want an error that names WithPoller", err)
	}
}
