//go:build !linux

package packet

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/netcaliper/caliper/link"
)

func open(*Config) (port, link.Info, int, error) {
	return nil, link.Info{}, 0, fmt.Errorf("%s: %w: packet sockets need Linux", runtime.GOOS, errors.ErrUnsupported)
}
