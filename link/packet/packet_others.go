//go:build !linux

package packet

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/netcaliper/caliper/link"
)

func open(*Config) (port, link.Info, error) {
	return nil, link.Info{}, fmt.Errorf("%s: %w: packet sockets need Linux", runtime.GOOS, errors.ErrUnsupported)
}
