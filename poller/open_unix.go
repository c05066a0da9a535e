//go:build unix && !linux

package poller

import "bide/poller/pollfd"

func backends() []backend {
	return []backend{
		{name: "pollfd", open: func() (Poller, error) { return pollfd.New() }},
	}
}
