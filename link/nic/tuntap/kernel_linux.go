package tuntap

import (
	"errors"
	"fmt"
	"os"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/nic"
)

// kernel is the back end: the descriptor of the interface.
type kernel struct {
	*nic.Descriptor
	file  *os.File // water's, the Descriptor's own
	piece [1][]byte

	links *netlink.Handle // of the interface's namespace
	index int
	lost  uint64 // what the interface has lost until now
}

func newKernel(made *water.Interface) (*kernel, error) {
	file, ok := made.ReadWriteCloser.(*os.File)
	if !ok {
		return nil, errors.New("water's interface is not a file")
	}
	d, err := nic.NewDescriptor(file)
	if err != nil {
		return nil, err
	}
	return &kernel{Descriptor: d, file: file}, nil
}

// Read implements nic.Backend.
func (k *kernel) Read(to *nic.Receiver, wait bool) error {
	k.piece[0] = to.Buffer()
	n, err := k.Descriptor.Read(k.piece[:], wait)
	switch {
	case err == nil:
		to.Took(n)
		return nil
	case err == nic.ErrEmpty:
		return err
	}
	return Failure(k.file, err)
}

// Write implements nic.Backend.
func (k *kernel) Write(b []byte) error {
	err := k.Descriptor.Write(b)
	if err == unix.EIO {
		return nic.ErrDown
	}
	return err
}

// count begins to count what the interface loses.
func (k *kernel) count(index int) (err error) {
	if k.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("ask for its counters: %w", err)
	}
	k.index = index
	return nil
}

// Lost implements nic.Backend. What the kernel sends and its queue has no room for counts as
// dropped by the interface. It takes some 20 us.
func (k *kernel) Lost() uint64 {
	face, err := k.links.LinkByIndex(k.index)
	if err != nil || face.Attrs().Statistics == nil { // it is gone
		return 0
	}
	was := k.lost
	k.lost = face.Attrs().Statistics.TxDropped
	return k.lost - was
}

// Close implements nic.Backend.
func (k *kernel) Close() error {
	if k.links != nil {
		k.links.Close()
	}
	return k.Descriptor.Close()
}

// Failure returns what has failed where a read or a write of a tun or tap interface did:
// of one that was removed the kernel says that the descriptor is in a bad state, and Go, if
// it waits for it just then, that it cannot.
func Failure(f *os.File, err error) error {
	if err == nil || errors.Is(err, os.ErrClosed) {
		return err
	}
	conn, failed := f.SyscallConn()
	if failed != nil {
		return err
	}
	request, failed := unix.NewIfreq("")
	if failed != nil {
		return err
	}
	var state error
	if conn.Control(func(fd uintptr) { state = unix.IoctlIfreq(int(fd), unix.TUNGETIFF, request) }) != nil {
		return err
	}
	if errors.Is(state, unix.EBADFD) {
		return nic.ErrGone
	}
	return err
}
