//go:build !unix && !windows

package poller

func backends() []backend { return nil }
