package poller

import "bide/poller/iocp"

func backends() []backend {
	return []backend{{"iocp", func() (Poller, error) { return iocp.New() }}}
}
