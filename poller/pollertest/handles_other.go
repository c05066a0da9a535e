//go:build !windows

package pollertest

// handleTests are group G, which is about the handles of Windows.
var handleTests []subtest
