package poller

import (
	"bide/poller/epoll"
	"bide/poller/pollfd"
)

func backends() []backend {
	return []backend{
		{name: "epoll", open: func() (Poller, error) { return epoll.New() }},
		{name: "pollfd", open: func() (Poller, error) { return pollfd.New() }},
	}
}
