package tuntap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
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

// needs is which right an interface takes, and two ways to get it.
const needs = "it needs CAP_NET_ADMIN: run it in a namespace of its own with `unshare -Urn caliper ...`," +
	" or allow it once with `sudo setcap cap_net_admin+ep $(which caliper)`"

// open makes the interface and sets it up. The interface ends with the descriptor.
func open(c *Config) (face, error) {
	if err := allowed(); err != nil {
		return face{}, err
	}
	if c.Name != "" {
		// The kernel would not refuse an interface that somebody made before, but join us
		// to it.
		_, err := netlink.LinkByName(c.Name)
		if err == nil {
			return face{}, fmt.Errorf("there is an interface of that name: choose another, or remove it with `ip link del %s`", c.Name)
		}
		if !errors.As(err, new(netlink.LinkNotFoundError)) {
			return face{}, fmt.Errorf("look up: %w", err)
		}
	}
	k, name, err := create(c)
	if err != nil {
		return face{}, err
	}
	f := face{backend: k, name: name}
	if err := k.setUp(c, &f); err != nil {
		k.Close()
		return face{}, err
	}
	return f, nil
}

// create has the kernel make the interface.
func create(c *Config) (*kernel, string, error) {
	wc := water.Config{DeviceType: water.TUN}
	if c.Tap {
		wc.DeviceType = water.TAP
	}
	wc.Name = c.Name
	// Water lets programs that we start inherit the descriptor, and the interface would
	// live as long as they do. None may be started before that is mended.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	made, err := water.New(wc)
	if err != nil {
		return nil, "", err
	}
	k, err := newKernel(made)
	if err != nil {
		made.Close()
		return nil, "", err
	}
	return k, made.Name(), nil
}

// allowed tells whether this process may make an interface. The kernel is asked on a
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

// setUp gives the interface its MTU and addresses, brings it up, and fills in what f tells of
// it.
func (k *kernel) setUp(c *Config, f *face) error {
	made, err := netlink.LinkByName(f.name)
	if err != nil {
		return fmt.Errorf("look up: %w", err)
	}
	f.index = made.Attrs().Index
	if c.Tap {
		if f.address = c.Address; f.address == nil {
			f.address = nic.Another(made.Attrs().HardwareAddr)
		}
	}
	if err := netlink.LinkSetMTU(made, c.MTU); err != nil {
		return fmt.Errorf("set the MTU to %d: %w", c.MTU, err)
	}
	if err := netlink.LinkSetTxQLen(made, queue); err != nil {
		return fmt.Errorf("set its queue to %d packets: %w", queue, err)
	}
	// Without a link-local address of its own making the kernel does not look for
	// routers. Kernels without IPv6 refuse this, and need it not.
	_ = netlink.LinkSetIP6AddrGenMode(made, addrGenModeNone)
	for _, a := range c.KernelAddrs {
		if err := netlink.AddrAdd(made, address(a)); err != nil {
			return fmt.Errorf("set the address %v: %w", a, err)
		}
	}
	if err := netlink.LinkSetUp(made); err != nil {
		return fmt.Errorf("bring it up: %w", err)
	}
	for _, a := range c.KernelAddrs {
		if err := awaitUse(a.Addr()); err != nil {
			return fmt.Errorf("set the address %v: %w", a, err)
		}
	}
	return k.count(f.index)
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
