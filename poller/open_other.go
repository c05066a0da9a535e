//go:build !unix

package poller

func backends() []backend { return nil }
