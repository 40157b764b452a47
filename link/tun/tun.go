// Package tun is the way to the kernel's own TCP/IP: an interface that the kernel sees
// as a point-to-point link, with us at the other end.
//
// Open makes the interface, gives it its addresses and brings it up; it needs the right
// to do so, and says which one if it is missing. The interface is gone when the Device is
// closed or the process ends, however it ends.
//
//	Transmit -> write -> the kernel receives the packet
//	the kernel sends a packet -> reading goroutine -> bounded queue -> the clock's goroutine -> Handler
//
// A frame is stamped directly before the write that hands it to the kernel. The kernel's
// receiving side takes it from its backlog soon after, on the same processor, or within the
// write. Frames are IP packets without a link header. The files are tun.go for all systems, and
// tun_linux.go and tun_others.go for what depends on one.
//
// # Limitations
//
// Only Linux. What the kernel sends in quick succession is read at 1 to 2 us a packet;
// there is no offload of segmentation.
package tun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says what interface to make. A nil Config stands for one with the kernel's
// choice of a name and no address.
type Config struct {
	// Name of the interface, at most 15 bytes. There must be none of that name. ""
	// lets the kernel choose.
	Name string
	// MTU in bytes, 68 to 65535, and at least 1280 where there is an IPv6 address.
	// 0 stands for 1500.
	MTU int
	// KernelAddrs are the addresses of the kernel's end, with the networks that it
	// shall reach through the interface.
	KernelAddrs []netip.Prefix
}

// A Device is a tun interface, a link.Device.
type Device struct {
	info   link.Info
	clk    clock.Clock
	port   port
	sent   link.Stats
	inbox  *link.Inbox // what the reading goroutine has read
	closed bool
	done   chan struct{} // closed when the reading goroutine has ended, nil before it runs
}

// A port is the system's half of a device.
type port interface {
	// read waits for a packet and returns its length. After close it returns os.ErrClosed.
	read(b []byte) (int, error)
	// write hands the kernel a packet, without waiting. It returns errNoRoom if the
	// kernel has none now.
	write(b []byte) error
	close() error
}

var errNoRoom = errors.New("the kernel has no room for the packet now")

// Open makes a tun interface and brings it up. Where it returns an error, it has left
// nothing behind. The calling thread's network namespace is where the interface is.
func Open(clk clock.Clock, config *Config) (*Device, error) {
	c := Config{}
	if config != nil {
		c = *config
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	err := c.check()
	var name string
	var p port
	if err == nil {
		p, name, err = open(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("tun interface %q: %w", c.Name, err)
	}
	return &Device{info: link.Info{Name: name, MTU: c.MTU, Stamps: true}, clk: clk, port: p, inbox: link.NewInbox(clk, c.MTU)}, nil
}

// check tests what can be known without asking the kernel.
func (c *Config) check() error {
	switch {
	case len(c.Name) > 15:
		return fmt.Errorf("the name has %d bytes, more than 15", len(c.Name))
	case c.Name == "." || c.Name == ".." || strings.ContainsFunc(c.Name, unfit):
		return errors.New("this cannot be a name: use letters, digits, - and _")
	case c.MTU < 68 || c.MTU > 65535:
		return fmt.Errorf("an MTU of %d is not from 68 to 65535", c.MTU)
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

// Info implements link.Device.
func (d *Device) Info() link.Info { return d.info }

// Transmit implements link.Device. It never returns link.ErrFull: the kernel does not
// tell when it has room again, and where it has none, which its default of a practically
// unbounded buffer makes rare, the packet is dropped as a network card's receiver would.
func (d *Device) Transmit(frames []*link.Frame) (int, error) {
	if d.closed {
		return 0, net.ErrClosed
	}
	for _, f := range frames {
		d.write(f)
	}
	return len(frames), nil
}

func (d *Device) write(f *link.Frame) {
	n := f.Len()
	if n > d.info.MTU {
		d.sent.Drop(f, link.TooLong)
		return
	}
	begin := d.clk.Now()
	switch err := d.port.write(f.Bytes()); {
	case err == nil:
		f.LeftDuring(begin, d.clk.Now())
		d.sent.Frames++
		d.sent.Bytes += uint64(n)
		f.Free()
	case err == errNoRoom:
		d.sent.Drop(f, link.QueueFull)
	default:
		d.sent.Drop(f, link.LinkError)
		d.inbox.Fail(err)
	}
}

// Attach implements link.Device. From now on the device reads. As all methods it is called
// on the clock's goroutine, so that what is above can be made ready before the first
// frame arrives there.
func (d *Device) Attach(h link.Handler) {
	d.inbox.Attach(h)
	d.done = make(chan struct{})
	go d.read()
}

// read runs on a goroutine of its own until the device is closed.
func (d *Device) read() {
	defer close(d.done)
	b := make([]byte, d.info.MTU)
	for {
		n, err := d.port.read(b)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			d.inbox.Fail(err)
			return
		}
		f := link.NewFrame(n)
		copy(f.Bytes(), b)
		d.inbox.Put(f)
	}
}

// Stats returns what was sent to the kernel and received from it. It is called on the
// clock's goroutine.
func (d *Device) Stats() (sent, received link.Stats) {
	return d.sent, d.inbox.Stats()
}

// Err returns the first error of reading or writing, such as when somebody else took the
// interface down, or nil. It may be called from any goroutine.
func (d *Device) Err() error {
	if err := d.inbox.Err(); err != nil {
		return fmt.Errorf("tun interface %q: %w", d.info.Name, err)
	}
	return nil
}

// Close implements link.Device. When it returns the interface is gone and the reading
// goroutine has ended.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	err := d.port.close()
	if d.done != nil {
		<-d.done
	}
	d.inbox.Close()
	if err != nil {
		return fmt.Errorf("tun interface %q: close: %w", d.info.Name, err)
	}
	return nil
}
