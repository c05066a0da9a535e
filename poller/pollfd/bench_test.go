//go:build unix

package pollfd_test

import (
	"testing"

	"bide/poller/pollertest"
)

func BenchmarkPoller(b *testing.B) { pollertest.Bench(b, open) }
