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

func openSSLDiff(waits int, aim float64) []versus.Side {
	return []versus.Side{{Name: openSSL, Aim: versus.AtMost(aim), Timed: func(n int) time.Duration {
		return openssl.Diff(n, waits)
	}}}
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
