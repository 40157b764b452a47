//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"runtime"
)

func open(*Config) (port, string, error) {
	return nil, "", fmt.Errorf("%s: %w: tun needs Linux", runtime.GOOS, errors.ErrUnsupported)
}
