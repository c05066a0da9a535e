package poller

import (
	"bide/poller/epoll"
	"bide/poller/iouring"
	"bide/poller/pollfd"
)

func backends() []backend {
	return []backend{
		{name: "epoll", open: func() (Poller, error) { return epoll.New() }},
		{name: "iouring", open: func() (Poller, error) { return iouring.New() }, check: iouring.Available},
		{name: "pollfd", open: func() (Poller, error) { return pollfd.New() }},
	}
}
