// Package packet is the way onto an Ethernet that is there already: a veth pair, a bridge's
// port, a network card. It is a link.Device over a Linux packet socket.
//
// Open joins the interface as a station of its own: it has an Ethernet address other than
// the interface's, and so the kernel's own TCP/IP does not answer for it. Give the kernel
// none of the IP addresses that are used above the device.
//
//	Transmit -> write -> the card, past the kernel's queueing discipline
//	the card -> filter in the kernel -> reading goroutine -> unload -> bounded queue -> the clock's goroutine -> Handler
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
// those on the other end. A frame takes one system call, sent or received.
package packet

import (
	"errors"
	"fmt"
	"net"
	"os"
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
	// Tell, if it is not nil, is told on the clock's goroutine of what happens to the
	// interface and does not end the device.
	Tell func(error)
}

// When to look again whether a card without room has some. At 1 Gbit/s it sends four full
// frames in the shortest time, and its queue holds hundreds. Each look in vain doubles it.
const (
	retryAfter = 50 * time.Microsecond
	retryMost  = 10 * time.Millisecond
)

// A Device is a station on an Ethernet, a link.Device.
type Device struct {
	info    link.Info
	clk     clock.Clock
	port    port
	handler link.Handler
	line    *nic.Line
	watcher *nic.Watcher // nil for one that nobody watches
	inbox   *link.Inbox  // what the reading goroutine has read
	pool    link.Pool
	closed  bool
	retry   clock.Timer
	after   time.Duration // when it is set next
	done    chan struct{} // closed when the reading goroutine has ended, nil before it runs
}

// A port is the system's half of a device.
type port interface {
	// read waits for a frame and returns its length, with the offload's header before
	// it. After close it returns os.ErrClosed. It returns nic.ErrDown when the interface
	// goes down, and errUnknown for a frame that the kernel cannot describe.
	read(b []byte) (int, error)
	// write sends a frame, without waiting. It returns package nic's errors.
	write(b []byte) error
	// lost returns how many frames arrived since the last call that the kernel had no
	// room for.
	lost() uint64
	close() error
}

var errUnknown = errors.New("the frame is of a kind that the kernel cannot describe")

// Open joins an interface. Where it returns an error, it has left nothing behind. The
// interface is looked for in the calling thread's network namespace.
func Open(clk clock.Clock, config *Config) (*Device, error) {
	c := *config
	err := c.check()
	var p port
	var info link.Info
	var index int
	if err == nil {
		p, info, index, err = open(&c)
	}
	if err != nil {
		return nil, fmt.Errorf("packet socket on %q: %w", c.Interface, err)
	}
	d := newDevice(clk, p, info, c.Tell)
	if d.watcher, err = nic.Watch(index, d.changed); err != nil {
		d.Close()
		return nil, d.wrap(err)
	}
	return d, nil
}

func newDevice(clk clock.Clock, p port, info link.Info, tell func(error)) *Device {
	info.Stamps = true
	d := &Device{info: info, clk: clk, port: p, inbox: link.NewInbox(clk, info.MTU), after: retryAfter}
	d.line = nic.NewLine(clk, info, p.write, func(err error) {
		if tell != nil {
			tell(d.wrap(err))
		}
	})
	// A timer can only be made running.
	d.retry = clk.AfterFunc(time.Duration(clock.Never), d.ready)
	d.retry.Stop()
	return d
}

func (d *Device) wrap(err error) error {
	return fmt.Errorf("packet socket on %q: %w", d.info.Name, err)
}

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
	case c.Interface == "":
		return errors.New("the interface needs a name: `ip link` lists those that there are")
	case c.Address != nil && (len(c.Address) != 6 || c.Address[0]&1 != 0 || slices.Max(c.Address) == 0):
		return fmt.Errorf("%v is not the Ethernet address of one station", c.Address)
	case c.MTU != 0 && c.MTU < 68:
		return fmt.Errorf("an MTU of %d is less than 68", c.MTU)
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
		c.Address = derive(address)
	}
	return nil
}

// derive returns a locally administered address (IEEE 802, clause 8.4) that is not the
// interface's, also where that is one itself.
func derive(a net.HardwareAddr) net.HardwareAddr {
	a = slices.Clone(a)
	a[0] = (a[0] | 0x02) ^ 0x10
	return a
}

// Info implements link.Device. Speed is what the interface says of itself: for a veth
// the kernel says 10 Gbit/s.
func (d *Device) Info() link.Info { return d.info }

// Transmit implements link.Device. Where the card has no room it returns link.ErrFull,
// and tries again soon: the kernel does not tell when there is room.
func (d *Device) Transmit(frames []*link.Frame) (int, error) {
	if d.closed {
		return 0, net.ErrClosed
	}
	for i, f := range frames {
		if !d.line.Send(f) {
			d.retry.Reset(d.after)
			d.after = min(2*d.after, retryMost)
			return i, link.ErrFull
		}
		d.after = retryAfter
	}
	return len(frames), nil
}

// ready lets what is above try again.
func (d *Device) ready() {
	if !d.closed && d.handler != nil {
		d.handler.Ready()
	}
}

// Attach implements link.Device. From now on the device reads. As all methods it is called
// on the clock's goroutine, so that what is above can be made ready before the first
// frame arrives there.
func (d *Device) Attach(h link.Handler) {
	d.handler = h
	d.inbox.Attach(h)
	d.done = make(chan struct{})
	go d.read()
}

// read runs on a goroutine of its own until the device is closed.
func (d *Device) read() {
	defer close(d.done)
	b := make([]byte, offloadHeader+maxSuper+1)
	for {
		n, err := d.port.read(b)
		switch err {
		case nil:
			d.take(b[:n])
		case os.ErrClosed:
			return
		case errUnknown:
			d.inbox.Lose(link.Malformed, 1)
		case nic.ErrDown: // it may come up again
		default:
			d.line.Fail(err)
			return
		}
	}
}

// take makes frames of what was read and wakes the clock's goroutine.
func (d *Device) take(b []byte) {
	h, ok := unload(b)
	frames := h.frames()
	switch {
	case !ok:
		d.inbox.Lose(link.Malformed, 1)
		return
	case !d.info.Fits(h.b[:h.longest()]):
		d.inbox.Lose(link.TooLong, frames)
		return
	}
	fit := min(frames, d.inbox.Room())
	if fit < frames {
		d.inbox.Lose(link.QueueFull, frames-fit)
	}
	for range fit {
		d.inbox.Put(h.next(&d.pool))
	}
}

// Stats returns what was sent and received, as frames of the MTU. It is called on the
// clock's goroutine.
func (d *Device) Stats() (sent, received link.Stats) {
	if !d.closed {
		d.inbox.Lose(link.QueueFull, int(d.port.lost()))
	}
	return d.line.Stats(), d.inbox.Stats()
}

// Below implements link.Device.
func (d *Device) Below() link.Device { return nil }

// Counters implements link.Device.
func (d *Device) Counters() link.Counters {
	c := link.Counters{Kind: "packet", Name: d.info.Name}
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

// Failed is closed when the device has failed, such as when somebody has removed the
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

// Close implements link.Device. When it returns the interface is as it was before Open,
// and the reading goroutine has ended.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	d.inbox.Lose(link.QueueFull, int(d.port.lost()))
	d.closed = true
	if d.watcher != nil {
		d.watcher.Close()
	}
	err := d.port.close()
	if d.done != nil {
		<-d.done
	}
	d.retry.Stop()
	d.inbox.Close()
	if err != nil {
		return d.wrap(fmt.Errorf("close: %w", err))
	}
	return nil
}
