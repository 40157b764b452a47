// Package tuntap is the way to the kernel's own TCP/IP: an interface that the kernel sees as
// the end of a link, with us at the other end. It is a back end of package nic.
//
//	tun  a point-to-point link: frames are IP packets without a link header
//	tap  an Ethernet with two stations, ours and the kernel's; a bridge may have it as a port
//
// Open makes the interface, gives it its addresses and brings it up; it needs the right
// to do so, and says which one if it is missing. The interface is gone when the Device is
// closed or the process ends, however it ends.
//
// A frame is stamped directly before the write that hands it to the kernel. The kernel's
// receiving side takes it from its backlog soon after, on the same processor, or within the
// write. The files are tuntap.go for all systems, and tuntap_linux.go and tuntap_others.go for
// what depends on one.
//
// # Limitations
//
// Only Linux. What the kernel sends in quick succession is read at 1 to 2 us a packet;
// there is no offload of segmentation.
package tuntap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says what interface to make. A nil Config stands for a tun with the kernel's
// choice of a name and no address.
type Config struct {
	// Tap makes it a tap, an Ethernet interface, instead of a tun.
	Tap bool
	// Address is our Ethernet address, of a tap. Nil derives one from that of the kernel's
	// end, which the kernel draws.
	Address net.HardwareAddr
	// Name of the interface, at most 15 bytes. There must be none of that name. ""
	// lets the kernel choose.
	Name string
	// MTU in bytes, 68 to 65535, and at least 1280 where there is an IPv6 address.
	// 0 stands for 1500.
	MTU int
	// KernelAddrs are the addresses of the kernel's end, with the networks that it
	// shall reach through the interface.
	KernelAddrs []netip.Prefix
	// Poll is how often the clock's goroutine looks for what has arrived (nic.Config). 0
	// stands for a goroutine that waits for it.
	Poll time.Duration
	// Tell, if it is not nil, is told on the clock's goroutine of what happens to the
	// interface and does not end the device.
	Tell func(error)
}

// Open makes a tun or tap interface and brings it up. Where it returns an error, it has left
// nothing behind. The calling thread's network namespace is where the interface is.
func Open(clk clock.Clock, config *Config) (*nic.Device, error) {
	c := Config{}
	if config != nil {
		c = *config
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	err := c.check()
	var face face
	if err == nil {
		face, err = open(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", c.what(), c.Name, err)
	}
	return nic.New(clk, face.backend, nic.Config{
		Kind: c.kind(), What: c.what(), Info: link.Info{Name: face.name, MTU: c.MTU, Address: face.address}, Index: face.index,
		Poll: c.Poll, Tell: c.Tell,
	})
}

// A face is the interface that was made.
type face struct {
	backend nic.Backend
	name    string
	index   int
	address net.HardwareAddr // ours, nil for a tun
}

func (c *Config) kind() string {
	if c.Tap {
		return "tap"
	}
	return "tun"
}

// what is how errors call the interface.
func (c *Config) what() string { return c.kind() + " interface" }

// check tests what can be known without asking the kernel.
func (c *Config) check() error {
	switch {
	case len(c.Name) > 15:
		return fmt.Errorf("the name has %d bytes, more than 15", len(c.Name))
	case c.Name == "." || c.Name == ".." || strings.ContainsFunc(c.Name, unfit):
		return errors.New("this cannot be a name: use letters, digits, - and _")
	case c.Address != nil && !c.Tap:
		return errors.New("a tun has no Ethernet address")
	case c.MTU < 68 || c.MTU > 65535:
		return fmt.Errorf("an MTU of %d is not from 68 to 65535", c.MTU)
	}
	if c.Address != nil {
		if err := nic.CheckStation(c.Address); err != nil {
			return err
		}
	}
	for _, a := range c.KernelAddrs {
		switch {
		case !a.IsValid():
			return errors.New("an address is not valid: write it as 10.99.0.1/24")
		case a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Addr().Is4In6():
			return fmt.Errorf("%v is not the address of one host", a)
		case a.Addr().Is6() && c.MTU < 1280:
			return fmt.Errorf("an MTU of %d is too small for IPv6, which needs 1280 (RFC 8200)", c.MTU)
		}
	}
	return nil
}

// unfit are the characters that Linux does not let into the name of an interface, or
// would expand.
func unfit(r rune) bool {
	return r <= ' ' || r == '/' || r == ':' || r == '%' || r >= 0x7f
}
