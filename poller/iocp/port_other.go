//go:build !windows

package iocp

import (
	"errors"
	"fmt"
)

func openSystem() (system, error) {
	return nil, fmt.Errorf("iocp: only Windows has completion ports: %w", errors.ErrUnsupported)
}
