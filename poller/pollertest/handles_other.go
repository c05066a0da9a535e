//go:build !windows && !linux

package pollertest

// handleTests are about what only one system has.
var handleTests []subtest
