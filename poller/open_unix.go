//go:build unix && !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package poller

import "bide/poller/pollfd"

func backends() []backend {
	return []backend{
		{name: "pollfd", open: func() (Poller, error) { return pollfd.New() }},
	}
}
