package simulator

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/link/nic/tuntap"
)

const (
	tapDevice = "/dev/net/tun"

	// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
	addrGenModeNone = 1

	// maxFrame is the largest frame of a tap, in bytes; others are cut by the kernel.
	maxFrame = 1 << 12
	// tapFrames is how many frames may wait between the kernel and the machine.
	tapFrames = 64
)

// tapRights says how to get the right to make an interface.
const tapRights = "it needs CAP_NET_ADMIN: run it in a namespace of its own with `unshare -Urn caliper ...`," +
	" or have root make it for you with `ip tuntap add mode tap user $USER name %s`"

// tap is an interface. Its reading goroutine hands frames to the machine's.
type tap struct {
	name   string
	file   *os.File
	frames chan []byte
	wake   chan<- struct{} // has room for one
	done   chan struct{}   // closed by close
	reader sync.WaitGroup

	mu  sync.Mutex
	err error // of the reader
}

// openTap joins the tap interface of a name, or makes one, which is gone when it is closed.
// wake is told when frames have come.
func openTap(spec Spec, wake chan<- struct{}) (endpoint, error) {
	file, err := attach(spec.Tap)
	if err != nil {
		return nil, fmt.Errorf("tap interface %s: %w", spec.Tap, err)
	}
	t := &tap{name: spec.Tap, file: file, frames: make(chan []byte, tapFrames), wake: wake, done: make(chan struct{})}
	t.reader.Add(1)
	go t.read()
	return t, nil
}

func attach(name string) (*os.File, error) {
	_, err := netlink.LinkByName(name)
	made := errors.As(err, new(netlink.LinkNotFoundError))
	fd, err := unix.Open(tapDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("%w: open %s: allow it with `sudo chmod 666 %s`; then "+tapRights, ErrRights, tapDevice, tapDevice, name)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w: load the kernel's module with `sudo modprobe tun`", tapDevice, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil && made {
		err = bringUp(name)
	}
	if err != nil {
		unix.Close(fd)
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return nil, fmt.Errorf("%w: on %s, "+tapRights, ErrRights, tapDevice, name)
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%w: another program has it", err)
	case errors.Is(err, unix.EINVAL):
		return nil, fmt.Errorf("%w: there is an interface of that name that is no tap", err)
	case err != nil:
		return nil, err
	}
	return os.NewFile(uintptr(fd), tapDevice), nil
}

func bringUp(name string) error {
	face, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	// Without a link-local address of its own making the kernel does not look for
	// routers. Kernels without IPv6 refuse this, and need it not.
	_ = netlink.LinkSetIP6AddrGenMode(face, addrGenModeNone)
	return netlink.LinkSetUp(face)
}

// read hands frames on until the interface is closed. The kernel keeps those for which
// there is no room yet, and drops what it has no room for itself.
func (t *tap) read() {
	defer t.reader.Done()
	buf := make([]byte, maxFrame)
	for {
		n, err := t.file.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				t.mu.Lock()
				t.err = t.failure(err)
				t.mu.Unlock()
				t.tell()
			}
			return
		}
		select {
		case t.frames <- append([]byte{}, buf[:n]...):
			t.tell()
		case <-t.done:
			return
		}
	}
}

func (t *tap) tell() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// next implements source.
func (t *tap) next(now uint64) ([]byte, uint64, error) {
	select {
	case b := <-t.frames:
		return b, now, nil
	default:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return nil, 0, t.err
}

// put implements sink. An interface that is down, or has no room, loses the frame.
func (t *tap) put(packet []byte, _ uint64) (bool, error) {
	_, err := t.file.Write(packet)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EINVAL) {
		return false, nil
	}
	return err == nil, t.failure(err)
}

// failure names the interface where it was removed.
func (t *tap) failure(err error) error {
	if err = tuntap.Failure(t.file, err); errors.Is(err, nic.ErrGone) {
		return fmt.Errorf("tap interface %s: %w", t.name, err)
	}
	return err
}

func (t *tap) close() error {
	close(t.done)
	err := t.file.Close()
	t.reader.Wait()
	return err
}
