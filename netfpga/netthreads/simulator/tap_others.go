//go:build !linux

package simulator

import (
	"errors"
	"fmt"
	"runtime"
)

func openTap(Spec, chan<- struct{}) (endpoint, error) {
	return nil, fmt.Errorf("%s: %w: tap interfaces need Linux", runtime.GOOS, errors.ErrUnsupported)
}
