package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/nic"
)

const device = "/dev/net/tun"

// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const addrGenModeNone = 1

// needs is which right a tun interface takes, and two ways to get it.
const needs = "it needs CAP_NET_ADMIN: run it in a namespace of its own with `unshare -Urn caliper ...`," +
	" or allow it once with `sudo setcap cap_net_admin+ep $(which caliper)`"

// open makes the interface and sets it up. The interface ends with the descriptor.
func open(c *Config) (port, string, int, error) {
	if err := allowed(); err != nil {
		return nil, "", 0, err
	}
	if c.Name != "" {
		// The kernel would not refuse a tun interface that somebody made before, but
		// join us to it.
		_, err := netlink.LinkByName(c.Name)
		if err == nil {
			return nil, "", 0, fmt.Errorf("there is an interface of that name: choose another, or remove it with `ip link del %s`", c.Name)
		}
		if !errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil, "", 0, fmt.Errorf("look up: %w", err)
		}
	}
	wc := water.Config{DeviceType: water.TUN}
	wc.Name = c.Name
	// Water lets programs that we start inherit the descriptor, and the interface would
	// live as long as they do. None may be started before that is mended.
	syscall.ForkLock.RLock()
	face, err := water.New(wc)
	if err != nil {
		syscall.ForkLock.RUnlock()
		return nil, "", 0, err
	}
	p, err := newKernel(face)
	syscall.ForkLock.RUnlock()
	index := 0
	if err == nil {
		index, err = setUp(face.Name(), c)
	}
	if err != nil {
		face.Close()
		return nil, "", 0, err
	}
	return p, face.Name(), index, nil
}

// allowed tells whether this process may make a tun interface. The kernel is asked on a
// descriptor of our own, because water leaves its one open when it is refused. Without a
// kind of interface in the request it makes none: it refuses those without the right
// with EPERM, and all others with EINVAL.
func allowed() error {
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		var request *unix.Ifreq
		if request, err = unix.NewIfreq(""); err == nil {
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
	}
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: open %s: allow it with `sudo chmod 666 %s`; then %s", err, device, device, needs)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: on %s, %s", err, device, needs)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w: %s: load the kernel's module with `sudo modprobe tun`", err, device)
	}
	return nil
}

// setUp gives the interface its MTU and addresses, brings it up, and returns its index.
func setUp(name string, c *Config) (index int, err error) {
	face, err := netlink.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("look up: %w", err)
	}
	if err := netlink.LinkSetMTU(face, c.MTU); err != nil {
		return 0, fmt.Errorf("set the MTU to %d: %w", c.MTU, err)
	}
	if err := netlink.LinkSetTxQLen(face, queue); err != nil {
		return 0, fmt.Errorf("set its queue to %d packets: %w", queue, err)
	}
	// Without a link-local address of its own making the kernel does not look for
	// routers. Kernels without IPv6 refuse this, and need it not.
	_ = netlink.LinkSetIP6AddrGenMode(face, addrGenModeNone)
	for _, a := range c.KernelAddrs {
		if err := netlink.AddrAdd(face, address(a)); err != nil {
			return 0, fmt.Errorf("set the address %v: %w", a, err)
		}
	}
	if err := netlink.LinkSetUp(face); err != nil {
		return 0, fmt.Errorf("bring it up: %w", err)
	}
	for _, a := range c.KernelAddrs {
		if err := awaitUse(a.Addr()); err != nil {
			return 0, fmt.Errorf("set the address %v: %w", a, err)
		}
	}
	return face.Attrs().Index, nil
}

// awaitUse waits until the kernel takes packets to the address as its own. With an IPv6
// address it begins to only when a worker of its own comes round to it, which on a busy
// machine, with namespaces to clean up, was seen to take more than 5 s.
func awaitUse(a netip.Addr) error {
	const patience = time.Minute
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		routes, err := netlink.RouteGet(a.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
	}
	return fmt.Errorf("the kernel did not begin to use it within %v: %w", patience, unix.ETIMEDOUT)
}

// queue is how many packets may wait in the kernel to be read. With Linux's 500 a TCP
// sender of the kernel loses thousands a second.
const queue = 4096

func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
	if p.Addr().Is6() {
		// Nobody else can have the address, and looking for one takes a second.
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// kernel is the port to Linux.
type kernel struct {
	file *os.File // of water's interface
	fd   int      // its descriptor: written to and closed by the clock's goroutine
}

func newKernel(face *water.Interface) (*kernel, error) {
	file, ok := face.ReadWriteCloser.(*os.File)
	if !ok {
		return nil, errors.New("water's interface is not a file")
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	k := &kernel{file: file}
	err = conn.Control(func(fd uintptr) {
		k.fd = int(fd)
		syscall.CloseOnExec(k.fd)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (k *kernel) read(b []byte) (int, error) {
	n, err := k.file.Read(b)
	return n, nic.TunFailure(k.file, err)
}

func (k *kernel) write(b []byte) error {
	err := nic.Write(k.fd, b)
	if err == unix.EIO {
		return nic.ErrDown
	}
	return err
}

func (k *kernel) close() error { return k.file.Close() }
