package poller

import "bide/poller/iocp"

func backends() []backend {
	return []backend{{name: "iocp", open: func() (Poller, error) { return iocp.New() }}}
}
