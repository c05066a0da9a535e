//go:build openssl && linux && cgo

package bench

import (
	"testing"
	"time"

	"bide/bench/internal/openssl"
	"bide/internal/versus"
)

const openSSL = "openssl"

func openSSLResume() []versus.Side {
	return []versus.Side{{Name: openSSL, Aim: versus.AtMost(0.75), Timed: openssl.Resume}}
}

func openSSLStartFinish() []versus.Side {
	return []versus.Side{{Name: openSSL, Aim: versus.AtMost(1), Timed: openssl.StartFinish}}
}

func openSSLDiff(waits int, aim versus.Aim) []versus.Side {
	return []versus.Side{{Name: openSSL, Aim: aim, Timed: func(n int) time.Duration {
		return openssl.Diff(n, waits)
	}}}
}

// TestOpenSSL: the loops check themselves, and take time.
func TestOpenSSL(t *testing.T) {
	for name, sides := range map[string][]versus.Side{
		"resume": openSSLResume(), "start and finish": openSSLStartFinish(), "diff": openSSLDiff(1000, versus.Aim{}),
	} {
		if took := sides[0].Timed(1000); took <= 0 {
			t.Errorf("%s: 1,000 steps took %v", name, took)
		}
	}
}

func openSSLMemory(t testing.TB, work string, n int, aim versus.Aim) []versus.Side {
	side := memory(t, openSSL, work, n)
	side.Aim = aim
	return []versus.Side{side}
}

func init() {
	works["memory/openssl jobs"] = holding(openssl.PauseJobs)
	works["memory/openssl contexts"] = holding(openssl.NewWaitCtxs)
}
