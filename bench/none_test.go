//go:build !(openssl && linux && cgo)

package bench

import (
	"testing"

	"bide/internal/versus"
)

// Without the tag openssl there is no such rival.

func openSSLResume() []versus.Side { return nil }

func openSSLStartFinish() []versus.Side { return nil }

func openSSLDiff(waits int, aim versus.Aim) []versus.Side { return nil }

func openSSLMemory(testing.TB, string, int, versus.Aim) []versus.Side { return nil }
