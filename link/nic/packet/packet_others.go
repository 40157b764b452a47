//go:build !linux

package packet

import (
	"errors"
	"fmt"
	"runtime"
)

func open(*Config) (face, error) {
	return face{}, fmt.Errorf("%s: %w: packet sockets need Linux", runtime.GOOS, errors.ErrUnsupported)
}
