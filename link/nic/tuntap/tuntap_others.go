//go:build !linux

package tuntap

import (
	"errors"
	"fmt"
	"runtime"
)

func open(*Config) (face, error) {
	return face{}, fmt.Errorf("%s: %w: tun and tap interfaces need Linux", runtime.GOOS, errors.ErrUnsupported)
}
