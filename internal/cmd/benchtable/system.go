package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// system names what the benchmarks ran on beside the processor.
func system() string {
	s := fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), runtime.GOOS, runtime.Version())
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		s += ", kernel " + strings.TrimSpace(string(b))
	}
	return s
}
