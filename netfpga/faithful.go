package netfpga

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/firmware"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Firmware makes a card the faithful one: its generator is a program, which runs on the
// NetThreads machine cycle for cycle, and is as slow as that was.
type Firmware struct {
	// Image is the program: any that speaks drivercomm's language with the driver. Nil
	// means ours, programs/pktgen.
	Image *netthreads.Image

	// Machine is what it runs on, a cycle a tick. The zero Config is the original's, with
	// ideal memory. Clock and Line are the card's matter.
	Machine netthreads.Config

	// FullPayload has the frames of an Interface arrive as they are: all of their bytes
	// cross the bus but zeros at the end, which the card can add. Otherwise only the first
	// 200 do, as with the original, and the card sends zeros behind them: unless that is
	// what was there, the checksum is wrong. Of frames of 1518 bytes that cross it whole
	// the measured bus lets 260 Mb/s pass. Of a Sender's packets the headers and Data cross
	// it in any case.
	FullPayload bool
}

// keptBytes is how much of an Interface's frame crosses the bus.
const keptBytes = 200

// carried returns how many bytes of a frame cross the bus.
func (w *Firmware) carried(f *link.Frame) int {
	n := f.Len()
	if w == nil || n <= keptBytes {
		return n
	}
	if w.FullPayload {
		return keptBytes + len(bytes.TrimRight(f.Bytes()[keptBytes:], "\x00"))
	}
	return keptBytes
}

// complete returns the configuration with the defaults of a faithful card.
func (w *Firmware) complete(c *Config) error {
	switch {
	case c.PCI == (pci.Cost{}):
		c.PCI = pci.Measured()
	case c.PCI.Transfer == 0:
		return errors.New("netfpga: with Firmware a transfer over the bus must take time, whatever its length: set PCI.Transfer")
	}
	if c.Late != (pktgen.Late{}) {
		return errors.New("netfpga: with Firmware the policy for late packets is the program's: leave Late empty")
	}
	own := *w
	c.Firmware, c.Truncate = &own, true
	if own.Image == nil {
		var err error
		if own.Image, err = programs.Image("pktgen"); err != nil {
			return fmt.Errorf("netfpga: %w", err)
		}
	}
	return nil
}

// generator is what sends on the card: a pktgen.Generator, or on the faithful card a
// firmware.Generator.
type generator interface {
	// Receive takes a message from the driver. It must not keep it.
	Receive(msg *drivercomm.Message)

	// Taken tells that the driver has the message that was offered to it.
	Taken()

	// Sender returns what a port tells that its frame has left.
	Sender(port int) mac.Sender

	// Stop ends the generator: nothing more is launched or offered.
	Stop()

	Stats() pktgen.Stats
}

// runFirmware gives the card a machine for a generator. The card's interfaces come up
// when the program has begun.
func (c *Card) runFirmware(cfg *Config, macs []*mac.MAC, ends *ending) error {
	var err error
	c.firmware, err = firmware.New(c.clk, firmware.Config{
		Image: cfg.Firmware.Image, Machine: cfg.Firmware.Machine,
		Counter: c.counter, MACs: macs,
		Bus:  machineBus{toHost{c.bus}, ends, cfg.PCI.Transfer},
		Busy: c.busy,
		Launched: func(port int, packet []byte, tick uint64, dropped bool) {
			c.ports[port].launched(packet, tick, dropped)
		},
		Started: func() { c.driver.Up() },
		Failed:  c.fail,
	})
	if err != nil {
		return fmt.Errorf("netfpga: %w", err)
	}
	c.gen = c.firmware
	return nil
}

// busy reports whether the program may still launch frames that it was given. That it does
// so later than overdue after the last departure is not expected.
func (c *Card) busy() bool {
	const overdue = clock.Time(time.Second)
	now := c.clk.Now()
	return slices.ContainsFunc(c.ports, func(i *Interface) bool {
		return i.txring.Len() > 0 && now-overdue < c.counter.Time(i.txring.Last().tick)
	})
}

// machineBus is the bus as the machine must know it.
type machineBus struct {
	toHost
	*ending
	latency time.Duration
}

// Latency implements firmware.Bus.
func (b machineBus) Latency() time.Duration { return b.latency }

// ending is the clock that the bus is given, and its only timer: it knows when the
// transfer under way ends.
type ending struct {
	clock.Clock
	clock.Timer
	at clock.Time
}

// Ends implements firmware.Bus.
func (e *ending) Ends() clock.Time { return e.at }

// AfterFunc implements clock.Clock. The timer is the bus's: it is only stopped, or set
// with ResetAt.
func (e *ending) AfterFunc(d time.Duration, f func()) clock.Timer {
	e.Timer = e.Clock.AfterFunc(d, func() { e.at = clock.Never; f() })
	return e
}

// ResetAt implements clock.Timer.
func (e *ending) ResetAt(t clock.Time) bool {
	e.at = t
	return e.Timer.ResetAt(t)
}

// Stop implements clock.Timer.
func (e *ending) Stop() bool {
	e.at = clock.Never
	return e.Timer.Stop()
}

// fail stops the card, whose machine has failed.
func (c *Card) fail(err error) {
	c.err = fmt.Errorf("netfpga: the card has stopped: %w", err)
	c.driver.Down()
	for _, i := range c.ports {
		i.forget(link.LinkError)
		i.rx.offered = false
		i.rx.clear(&i.account.received, link.LinkError)
	}
	c.ready()
}

// Err returns why a faithful card has stopped: an error that wraps the *netthreads.Fault of
// its machine. It is nil as long as it has not.
func (c *Card) Err() error { return c.err }

// Profile returns where the cycles of a faithful card's machine went, and nil for a card
// without one.
func (c *Card) Profile() *netthreads.Profile {
	if c.firmware == nil {
		return nil
	}
	p := c.firmware.Profile()
	return &p
}
