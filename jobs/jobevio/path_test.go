//go:build linux || darwin || freebsd

package jobevio_test

import (
	"os"
	"path/filepath"
	"testing"

	"bide/jobs/jobevio"
)

// A server on a Unix socket is stopped though the path to it is gone.
func TestStopWithoutThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	h := start(t, &jobevio.Server{}, "unix://"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h.stop()
}
