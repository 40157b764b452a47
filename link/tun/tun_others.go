//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"runtime"
)

func open(*Config) (port, string, int, error) {
	return nil, "", 0, fmt.Errorf("%s: %w: tun needs Linux", runtime.GOOS, errors.ErrUnsupported)
}
