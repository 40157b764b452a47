// Package netfpga is the card: a link.Device that sends every frame at its tick of 8 ns.
//
// It is Caliper's NetFPGA of the technical documentation, section by section a package:
//
//	Card          takes frames; the one place where the parts meet       (section 1)
//	Interface     one of its Ethernet ports, up to four, as a device     (section 3.7)
//	Sender        injects described packets, which the driver makes      (section 3.2)
//	driver        transmit buffers, quota, interrupts, marks, reset      (section 3)
//	drivercomm    the messages between driver and card                   (sections 3, 5)
//	pci           the bus: one transfer at a time, and what it costs     (section 3.1)
//	pktgen        the generator on the card, in its native form          (section 5)
//	firmware      the same as a program on the NetThreads machine        (sections 4, 5)
//	mac           of an Ethernet port: departure at a tick, the line's speed
//
// The life of a frame: Transmit accounts for its bytes and its asked departure
// (Frame.Sched, else Frame.Depart) in a transmit buffer, and keeps the frame itself in a
// queue, as a NIC's driver keeps its buffers until they are sent. Buffers, bus and the
// card's memories count its bytes, and take their time for them, but have no copy of them,
// unless a program is to read it. As a port sends strictly in order, what leaves it is the
// oldest frame of the queue: it gets its actual departure (Frame.Left), and goes to the
// device below. An injected packet becomes a frame first, of which only the headers and the
// head of the payload go over the bus; the zeros behind them are the card's.
//
// # Rules
//
// Frames come in order of departure; a hold.Hold above sees to that. One that asks to
// leave before its predecessor leaves right behind it and is counted. What becomes of a
// frame that is late is a policy, Config.Late: by default it leaves at once, and those
// behind it follow at line rate until the schedule is caught up with. No frame ever
// leaves early, but for the error of the clocks where the card has one of its own, and for
// what Config.Truncate cuts off.
//
// What the devices below receive goes straight up, or by the card and the bus, as
// Config.Receive says.
//
// Frames whose departure has passed when they come (Frame.Paced false) leave at the next
// tick at which the line is free.
//
// The ports of a card share the bus, the transmit buffers and the card's input memory. A
// port does not wait for the line of another one; but a sender that fills the buffers with
// frames for later makes all others wait for room.
//
// # The faithful card
//
// With Config.Firmware the generator is a program for the card's own processor, which is
// simulated cycle for cycle: what this card cannot do, the original could not. That is so in
// virtual time; in real time the machine is as fast as this computer simulates it, and what it
// does late is late (the counter machine_behind_ns). A frame that leaves is compared with those that
// went in, as the program may do anything with them: drop them, change their order, or make
// others. If the program fails, so does the card: Err says why.
//
// # Limitations
//
// MTU is 1500. If the device below has no room for a frame at its tick, the frame waits,
// and Frame.Origin has been told of the first attempt.
//
// The faithful card has no output queues: a thread that launches a frame waits for the line.
// Frames that the device below has no room for wait behind the card, up to 512 KiB of them;
// then they are dropped and counted, as machine_queue_full.
package netfpga

import (
	"fmt"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/firmware"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Card is a NetFPGA that sends to the devices below it. As a link.Device it is its port
// 0. It is not safe for concurrent use: as every link.Device it runs on the clock's
// goroutine.
type Card struct {
	clk     clock.Clock
	counter drivercomm.Counter

	driver *driver.Driver
	bus    *pci.Bus
	gen    generator
	ports  []*Interface

	firmware *firmware.Generator // gen on the faithful card, else nil
	err      error               // why the card has stopped

	waiters []*waiter // the next to be told of room first
	pool    link.Pool
	nextID  uint16 // IP identification of the next packet that is injected as the original's were
}

// New returns a card above below, whose interfaces come up at once. A nil config means
// the zero one. Where the clock is real, everything after New happens on its goroutine.
func New(clk clock.Clock, below link.Device, config *Config) (*Card, error) {
	if config == nil {
		config = &Config{}
	}
	cfg, err := config.complete()
	if err != nil {
		return nil, err
	}
	c := &Card{clk: clk}
	if c.counter, err = cfg.counter(); err != nil {
		return nil, fmt.Errorf("netfpga: %w", err)
	}
	var macs []*mac.MAC
	for n, dev := range append([]link.Device{below}, cfg.Below...) {
		m, err := mac.New(clk, mac.Config{Speed: cfg.Speed, Tick: cfg.Tick, Counter: c.counter})
		if err != nil {
			return nil, fmt.Errorf("netfpga: %w", err)
		}
		macs = append(macs, m)
		c.ports = append(c.ports, newInterface(c, n, m, dev, &cfg))
	}
	ends := &ending{Clock: clk, at: clock.Never}
	c.bus = pci.New(ends, cfg.PCI)
	if cfg.Firmware == nil {
		c.gen = pktgen.New(clk, pktgen.Config{
			Counter: c.counter, MACs: macs, Host: toHost{c.bus}, Late: cfg.Late,
			Dropped: func(port int) { c.ports[port].dropped() },
		})
	} else if err := c.runFirmware(&cfg, macs, ends); err != nil {
		return nil, err
	}
	c.driver = driver.New(clk, c.bus, driver.Config{
		Tick: cfg.Tick, OwnClock: cfg.ClockPPM != 0 || cfg.ClockOffset != 0, Truncate: cfg.Truncate,
		Bytes: cfg.Firmware != nil,
		Ready: c.ready, Trace: cfg.Trace,
		Received: func(port int, frame []byte) { c.ports[port].fromCard(frame) },
	})
	c.bus.Connect(c.driver, fromHost{c})
	for n, m := range macs {
		m.Connect(line{c.ports[n]}, c.gen.Sender(n))
	}
	if c.firmware == nil {
		c.driver.Up()
	} else {
		c.firmware.Start()
	}
	return c, nil
}

// Port returns the interface of an Ethernet port, or nil if the card has none of that
// number. The devices above two ports have no part in each other.
func (c *Card) Port(n int) *Interface {
	if n < 0 || n >= len(c.ports) {
		return nil
	}
	return c.ports[n]
}

// Info implements link.Device, for port 0.
func (c *Card) Info() link.Info { return c.ports[0].Info() }

// Attach implements link.Device, for port 0.
func (c *Card) Attach(above link.Handler) { c.ports[0].Attach(above) }

// Transmit implements link.Device, for port 0.
func (c *Card) Transmit(frames []*link.Frame) (int, error) { return c.ports[0].Transmit(frames) }

// Below implements link.Device, for port 0.
func (c *Card) Below() link.Device { return c.ports[0].Below() }

// Close implements link.Device. It closes all interfaces.
func (c *Card) Close() error {
	var first error
	for _, i := range c.ports {
		if err := i.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// down takes the card down when the last of its interfaces is.
func (c *Card) down() {
	for _, i := range c.ports {
		if !i.closed {
			return
		}
	}
	c.driver.Down()
	c.gen.Stop()
	for _, i := range c.ports {
		i.rx.offered = false
		i.rx.clear(&i.account.received, link.Closed)
	}
}

// toHost is where the generator's messages to the driver go.
type toHost struct{ *pci.Bus }

// Offer implements pktgen.Host.
func (b toHost) Offer(msg []byte) { b.Bus.Offer(pci.Generator, msg) }

// fromHost is the card's side of the bus.
type fromHost struct{ *Card }

// Receive implements pci.Card.
func (c fromHost) Receive(msg *drivercomm.Message) { c.gen.Receive(msg) }

// Taken implements pci.Card.
func (c fromHost) Taken(queue int) {
	if queue == pci.Generator {
		c.gen.Taken()
	} else {
		c.ports[queue-pci.Received].taken()
	}
}

// A waiter is an interface or a Sender that was told that there is no room, and is to be told
// when there is.
type waiter struct {
	full  bool
	ready func()
}

// ready tells those who wait that the driver has room again, until one of them has used
// it up. The next time others come first.
func (c *Card) ready() {
	for range c.waiters {
		if len(c.waiters) == 0 { // the last one has gone
			return
		}
		w := c.waiters[0]
		c.waiters[copy(c.waiters, c.waiters[1:])] = w
		if !w.full {
			continue
		}
		w.full = false
		w.ready()
		if w.full {
			return
		}
	}
}
