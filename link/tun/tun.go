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
	"github.com/netcaliper/caliper/link/nic"
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
	// Tell, if it is not nil, is told on the clock's goroutine of what happens to the
	// interface and does not end the device.
	Tell func(error)
}

// A Device is a tun interface, a link.Device.
type Device struct {
	clk     clock.Clock
	info    link.Info
	port    port
	line    *nic.Line
	watcher *nic.Watcher // nil for one that nobody watches
	inbox   *link.Inbox  // what the reading goroutine has read
	pool    link.Pool
	closed  bool
	done    chan struct{} // closed when the reading goroutine has ended, nil before it runs
}

// A port is the system's half of a device.
type port interface {
	// read waits for a packet and returns its length. After close it returns os.ErrClosed.
	read(b []byte) (int, error)
	// write hands the kernel a packet, without waiting. It returns package nic's errors.
	write(b []byte) error
	close() error
}

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
	var index int
	var p port
	if err == nil {
		p, name, index, err = open(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("tun interface %q: %w", c.Name, err)
	}
	d := newDevice(clk, p, name, &c)
	if d.watcher, err = nic.Watch(index, d.changed); err != nil {
		d.Close()
		return nil, d.wrap(err)
	}
	return d, nil
}

func newDevice(clk clock.Clock, p port, name string, c *Config) *Device {
	d := &Device{clk: clk, port: p, inbox: link.NewInbox(clk, c.MTU)}
	d.info = link.Info{Name: name, MTU: c.MTU, Stamps: true}
	d.line = nic.NewLine(clk, d.info, p.write, func(err error) {
		if c.Tell != nil {
			c.Tell(d.wrap(err))
		}
	})
	return d
}

func (d *Device) wrap(err error) error { return fmt.Errorf("tun interface %q: %w", d.info.Name, err) }

// changed takes the interface's state to the clock's goroutine.
func (d *Device) changed(s nic.State) {
	d.clk.AfterFunc(0, func() {
		if !d.closed {
			d.line.Changed(s)
		}
	})
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
		if !d.line.Send(f) {
			d.line.Drop(f, link.QueueFull)
		}
	}
	return len(frames), nil
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
			d.line.Fail(err)
			return
		}
		f := d.pool.Frame(n)
		copy(f.Bytes(), b)
		d.inbox.Put(f)
	}
}

// Stats returns what was sent to the kernel and received from it. It is called on the
// clock's goroutine.
func (d *Device) Stats() (sent, received link.Stats) {
	return d.line.Stats(), d.inbox.Stats()
}

// Below implements link.Device.
func (d *Device) Below() link.Device { return nil }

// Counters implements link.Device.
func (d *Device) Counters() link.Counters {
	c := link.Counters{Kind: "tun", Name: d.info.Name}
	c.Sent, c.Received = d.Stats()
	changes := d.Changes()
	c.More = []link.Counter{
		{Name: "downs", Value: int64(changes.Downs)},
		{Name: "down_ns", Value: int64(changes.Down)},
		{Name: "mtu_changes", Value: int64(changes.MTUs)},
	}
	return c
}

// Changes counts what became of the interface. It is called on the clock's goroutine.
func (d *Device) Changes() nic.Changes { return d.line.Changes() }

// Failed is closed when the device has failed, such as when somebody else has removed the
// interface: nothing more leaves or arrives. It may be called from any goroutine.
func (d *Device) Failed() <-chan struct{} { return d.line.Failed() }

// Err returns why the device has failed, nil if it has not. It may be called from any
// goroutine.
func (d *Device) Err() error {
	if err := d.line.Err(); err != nil {
		return d.wrap(err)
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
	if d.watcher != nil {
		d.watcher.Close() // before the interface is gone by our own doing
	}
	err := d.port.close()
	if d.done != nil {
		<-d.done
	}
	d.inbox.Close()
	if err != nil {
		return d.wrap(fmt.Errorf("close: %w", err))
	}
	return nil
}
