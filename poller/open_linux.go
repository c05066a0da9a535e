package poller

import (
	"bide/poller/epoll"
	"bide/poller/pollfd"
)

func backends() []backend {
	return []backend{
		{"epoll", func() (Poller, error) { return epoll.New() }},
		{"pollfd", func() (Poller, error) { return pollfd.New() }},
	}
}
