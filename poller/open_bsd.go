//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"bide/poller/kqueue"
	"bide/poller/pollfd"
)

func backends() []backend {
	return []backend{
		{"kqueue", func() (Poller, error) { return kqueue.New() }},
		{"pollfd", func() (Poller, error) { return pollfd.New() }},
	}
}
