// Package packet is the way onto an Ethernet that is there already: a veth pair, a bridge's
// port, a network card. It is a back end of package nic, over a Linux packet socket.
//
// Open joins the interface as a station of its own: it has an Ethernet address other than
// the interface's, and so the kernel's own TCP/IP does not answer for it. Give the kernel
// none of the IP addresses that are used above the device.
//
//	Transmit -> write -> the card, past the kernel's queueing discipline
//	the card -> filter in the kernel -> read -> unload -> nic.Receiver
//
// A frame is stamped directly before the write that hands it to the card's driver: over a
// veth pair the other end's receiving work is done within the write, and its stamp is some
// 300 ns after ours. Frames are Ethernet frames without FCS. The files are packet.go for all systems,
// packet_linux.go and packet_others.go for what depends on one, and offload.go for what a
// kernel leaves to its network card to do.
//
// # Offload
//
// A kernel at the other end of a veth pair hands over TCP segments of up to 64 KiB, with
// checksums that nobody has computed, as it counts on the card to cut and complete them;
// and a card's driver puts segments together when it receives. The device does what the
// card would have done, so that above it there are only frames of the MTU with right
// checksums. Nothing need be turned off on either side.
//
// # Limitations
//
// Only Linux, 4.20 or later. Only Ethernet, and no VLANs: frames with a tag are not
// received. What is sent is not seen by tc or tcpdump on the interface itself, only by
// those on the other end. A frame takes one system call, sent or received: sendmmsg with 16
// takes a tenth less time a frame, and none of them would be stamped better than all.
package packet

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says which interface to join, and as what.
type Config struct {
	// Interface is its name. It must be there and up.
	Interface string
	// Address is our Ethernet address. Nil derives one from the interface's, the same
	// every time. Where several devices join one interface, each needs its own.
	Address net.HardwareAddr
	// MTU is the largest IP packet to send and to receive, in bytes, from 68 to what
	// the interface has. 0 stands for the latter.
	MTU int
	// Poll is how often the clock's goroutine looks for what has arrived (nic.Config). 0
	// stands for a goroutine that waits for it.
	Poll time.Duration
	// Tell, if it is not nil, is told on the clock's goroutine of what happens to the
	// interface and does not end the device.
	Tell func(error)
}

// Open joins an interface. Where it returns an error, it has left nothing behind. The
// interface is looked for in the calling thread's network namespace. Info.Speed is what it
// says of itself: for a veth the kernel says 10 Gbit/s.
func Open(clk clock.Clock, config *Config) (*nic.Device, error) {
	c := *config
	err := c.check()
	var face face
	if err == nil {
		face, err = open(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", what, c.Interface, err)
	}
	return nic.New(clk, face.backend, nic.Config{
		Kind: "packet", What: what, Info: face.info, Index: face.index, Poll: c.Poll, Tell: c.Tell,
	})
}

// what is how errors call the device.
const what = "packet socket on"

// A face is the interface that was joined.
type face struct {
	backend nic.Backend
	info    link.Info
	index   int
}

// check tests what can be known without asking the kernel.
func (c *Config) check() error {
	switch {
	case c.Interface == "":
		return errors.New("the interface needs a name: `ip link` lists those that there are")
	case c.MTU != 0 && c.MTU < 68:
		return fmt.Errorf("an MTU of %d is less than 68", c.MTU)
	case c.Address != nil:
		return nic.CheckStation(c.Address)
	}
	return nil
}

// settle fills in what the interface decides.
func (c *Config) settle(address net.HardwareAddr, mtu int) error {
	if c.MTU > mtu {
		return fmt.Errorf("an MTU of %d is more than the interface's %d: raise that with `ip link set %s mtu %[1]d`", c.MTU, mtu, c.Interface)
	}
	if c.MTU == 0 {
		c.MTU = mtu
	}
	if slices.Equal(c.Address, address) {
		return fmt.Errorf("%v is the interface's own address, to which the kernel answers: choose another", c.Address)
	}
	if c.Address == nil {
		c.Address = nic.Another(address)
	}
	return nil
}
