//go:build !(openssl && linux && cgo)

package bench

import "bide/internal/versus"

// Without the tag openssl there is no such rival.

func openSSLResume() []versus.Side      { return nil }
func openSSLStartFinish() []versus.Side { return nil }
