//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"bide/poller/kqueue"
	"bide/poller/pollfd"
)

func backends() []backend {
	return []backend{
		{name: "kqueue", open: func() (Poller, error) { return kqueue.New() }},
		{name: "pollfd", open: func() (Poller, error) { return pollfd.New() }},
	}
}
