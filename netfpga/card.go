// Package netfpga is the card: a link.Device that sends every frame at its tick of 8 ns.
//
// It is Caliper's NetFPGA of the technical documentation, section by section a package:
//
//	Card          takes frames; the one place where the parts meet       (section 1)
//	driver        transmit buffers, quota, interrupts, reset             (section 3)
//	drivercomm    the messages between driver and card                   (sections 3, 5)
//	pci           the bus: one transfer at a time, and what it costs     (section 3.1)
//	pktgen        the generator on the card, in its native form          (section 5)
//	port          the MAC: departure at a tick, the line's speed
//
// The life of a frame: Transmit copies its bytes and its asked departure (Frame.Sched,
// else Frame.Depart) into a transmit buffer, and keeps the frame itself in a queue, as a
// NIC's driver keeps its buffers until they are sent. The bytes go through the bus and
// the card's memories. As the card sends strictly in order, what leaves the port is the
// oldest frame of the queue: it gets its bytes back, as the card has them, and its
// actual departure (Frame.Left), and goes to the device below.
//
// # Rules
//
// Frames come in order of departure; a link.Hold above sees to that. One that asks to
// leave before its predecessor leaves right behind it and is counted. A frame that is
// late leaves at once, and those behind it follow at line rate until the schedule is
// caught up with. No frame ever leaves early.
//
// Frames whose departure has passed when they come (Frame.Paced false) leave at the next
// tick at which the line is free.
//
// # Limitations
//
// What the device below receives goes straight up, as through the host's second network
// interface; it does not pass the card. A card has one port. MTU is 1500. If the device
// below has no room for a frame at its tick, the frame waits, and Frame.Origin has been
// told of the first attempt.
package netfpga

import (
	"errors"
	"fmt"
	"net"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/internal/fifo"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/netfpga/port"
	"github.com/netcaliper/caliper/pacer/clock"
)

// maxMTU is the largest IP packet of an Ethernet frame, in bytes.
const maxMTU = drivercomm.MaxWire - link.EthernetHeader

// Card is a NetFPGA that sends to the device below it. It is not safe for concurrent
// use: as every link.Device it runs on the clock's goroutine.
type Card struct {
	clk   clock.Clock
	tick  drivercomm.Tick
	info  link.Info
	above link.Handler
	below link.Device

	driver *driver.Driver
	bus    *pci.Bus
	gen    *pktgen.Generator
	port   *port.Port

	shadow fifo.Queue[*link.Frame] // frames in the driver and on the card, the oldest first
	one    [1]*link.Frame
	closed bool
	stats  Stats
}

// New returns a card above below, whose interface comes up at once. A nil config means
// the zero one. Where the clock is real, everything after New happens on its goroutine.
func New(clk clock.Clock, below link.Device, config *Config) (*Card, error) {
	if config == nil {
		config = &Config{}
	}
	cfg, err := config.complete()
	if err != nil {
		return nil, err
	}
	c := &Card{clk: clk, tick: cfg.Tick, below: below}
	c.port, err = port.New(clk, port.Config{Speed: cfg.Speed, Tick: cfg.Tick})
	if err != nil {
		return nil, fmt.Errorf("netfpga: %w", err)
	}
	c.info = below.Info()
	c.info.Name = cfg.Name
	c.info.MTU = min(c.info.MTU, maxMTU)
	c.info.Speed = cfg.Speed
	c.info.Paces = true
	c.info.Tick = tickLength(cfg.Tick)

	c.bus = pci.New(clk, cfg.PCI)
	c.gen = pktgen.New(clk, cfg.Tick, c.port, c.bus)
	c.driver = driver.New(clk, c.bus, driver.Config{Tick: cfg.Tick, Ready: c.ready, Trace: cfg.Trace})
	c.bus.Connect(c.driver, c.gen)
	c.port.Connect(line{c}, c.gen)
	c.driver.Up()
	return c, nil
}

// Info implements link.Device.
func (c *Card) Info() link.Info { return c.info }

// Attach implements link.Device.
func (c *Card) Attach(above link.Handler) {
	c.above = above
	c.below.Attach(fromBelow{c})
}

// Transmit implements link.Device.
func (c *Card) Transmit(frames []*link.Frame) (int, error) {
	if c.closed {
		return 0, net.ErrClosed
	}
	now := c.clk.Now()
	for i, f := range frames {
		if c.closed { // by the Origin of a frame that was dropped here
			return i, net.ErrClosed
		}
		wire := wireLen(f)
		switch {
		case f.Len() == 0:
			c.stats.Drop(f, link.Malformed)
		case wire > drivercomm.MaxWire || f.Len() > c.info.MTU+c.info.Header():
			c.stats.Drop(f, link.TooLong)
		case !c.driver.Send(f.Bytes(), wire, asked(f)):
			return i, link.ErrFull
		default:
			f.Handed = now
			c.shadow.Push(f)
		}
	}
	c.driver.Flush()
	return len(frames), nil
}

// ready tells what is above that the driver has room again.
func (c *Card) ready() {
	if c.above != nil && !c.closed {
		c.above.Ready()
	}
}

// asked returns when a frame shall leave.
func asked(f *link.Frame) clock.Time {
	if f.Sched != 0 {
		return f.Sched
	}
	return f.Depart
}

// wireLen returns how many bytes a frame has on the wire, without FCS. A frame without a
// link header counts as if it had one (link.Frame.Measure).
func wireLen(f *link.Frame) int {
	if f.Size.Wire == 0 {
		return max(drivercomm.MinWire, f.Len())
	}
	const overhead = 24 // FCS, preamble and gap
	return max(drivercomm.MinWire, f.Len(), f.Size.Wire-overhead)
}

// line is what the port sends to.
type line struct{ *Card }

// Leave implements port.Line: the oldest frame leaves, with the bytes that the card sends.
func (c line) Leave(bytes []byte, d port.Departure) bool {
	f := c.shadow.Pop()
	copy(f.Bytes(), bytes)
	n, at, cause := f.Len(), asked(f), c.kept(f, d)
	f.Left(d.At)
	c.one[0] = f
	taken, err := c.below.Transmit(c.one[:])
	c.one[0] = nil
	switch {
	case taken == 1:
		c.stats.Frames++
		c.stats.Bytes += uint64(n)
		if cause != onTime {
			c.stats.Late.count(cause, d.At.Sub(c.tick.Time(c.tick.Up(at))))
		}
	case c.closed:
		c.stats.Drop(f, link.Closed)
	case errors.Is(err, link.ErrFull):
		c.stats.Refused++
		c.shadow.Unpop(f)
		return false
	case errors.Is(err, net.ErrClosed):
		c.stats.Drop(f, link.Closed)
	default:
		c.stats.Drop(f, link.LinkError)
	}
	return true
}

// kept returns what kept a paced frame from leaving at its tick.
func (c line) kept(f *link.Frame, d port.Departure) lateness {
	tick := c.tick.Up(asked(f))
	switch {
	case !f.Paced || c.tick.Down(d.At) <= tick:
		return onTime
	case f.Handed > c.tick.Time(tick):
		return byHost
	case d.Refused:
		return byBelow
	case d.Due == tick:
		return byClock
	case d.Queued:
		return byLine
	}
	return byCard
}

// fromBelow hands up what the device below has to say.
type fromBelow struct{ *Card }

// Receive implements link.Handler.
func (c fromBelow) Receive(frames []*link.Frame) { c.above.Receive(frames) }

// Ready implements link.Handler.
func (c fromBelow) Ready() { c.port.Resume() }

// Close implements link.Device.
func (c *Card) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.driver.Down()
	c.gen.Stop()
	for c.shadow.Len() > 0 {
		c.stats.Drop(c.shadow.Pop(), link.Closed)
	}
	return c.below.Close()
}
