//go:build !linux

package nl

import (
	"errors"
	"fmt"
	"runtime"
)

var (
	errTimeout = errors.New("no room, or nothing to read, for now")
	errGone    = errors.New("nobody has that port id")
)

// socket is what there is none of.
type socket struct{ port uint32 }

type datagram struct {
	n    int
	from uint32
	user int
	cut  bool
}

func listen(Address) (*socket, error) { return nil, unsupported() }
func dial(Address) (*socket, error)   { return nil, unsupported() }

func unsupported() error {
	return fmt.Errorf("%s: %w: netlink needs Linux", runtime.GOOS, errors.ErrUnsupported)
}

func (*socket) send([]byte, uint32, bool) error        { return unsupported() }
func (*socket) receive([]byte, bool) (datagram, error) { return datagram{}, unsupported() }
func (*socket) close() error                           { return unsupported() }
func ours(int) bool                                    { return false }
