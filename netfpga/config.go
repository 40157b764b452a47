package netfpga

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Infinite is a line speed at which frames take no time.
const Infinite = -1

// Config sets up a Card. The zero Config is the NetFPGA 1G with one port, a bus that costs
// nothing, and the host's own clock.
type Config struct {
	// Number is the card's number in the machine, from 0. Its interfaces are named by it:
	// nf2c0 to nf2c3 are those of card 0, nf2c4 to nf2c7 those of card 1.
	Number int

	// Name is the name of port 0's interface; "" means the one by the number.
	Name string

	// Below are the devices below port 1 and on, at most three. Without any the card has
	// one port, number 0.
	Below []link.Device

	// Profile says what hardware it is; see Profiles. "" means "netfpga-1g".
	Profile string

	// Speed is the line speed in bit/s; 0 means that of the profile, and Infinite that
	// frames take no time. Departures are at ticks also then.
	Speed int64

	// Tick is the card's tick. The zero Tick means that of the profile.
	Tick drivercomm.Tick

	// ClockPPM is by how many parts per million the card's clock runs fast, or slow if
	// negative, at most drivercomm.MaxPPM; ClockOffset is what it shows when the host's
	// clock.Clock is at 0. Unless both are 0 the driver has to find out, and comes up a
	// tenth of a second after New; see driver.Clock.
	ClockPPM    float64
	ClockOffset time.Duration

	// PCI is what transfers over the bus cost. The zero Cost means nothing, but with
	// Firmware it means pci.Measured, which is what the original had.
	PCI pci.Cost

	// Receive is the way up of what the devices below receive.
	Receive Route

	// Late is what becomes of packets that are late. The zero Late sends them at once, and
	// catches up with the schedule at line rate. With Firmware it must be zero.
	Late pktgen.Late

	// Truncate has the driver cut departures to ticks, as the original's did, and not round
	// them up and carry what is left: 13,567 ns become 13,560 for every packet. Firmware
	// sets it.
	Truncate bool

	// Firmware makes it the faithful card. Nil means the native one.
	Firmware *Firmware

	// Trace is called for every step of the driver, on the clock's goroutine. It may be
	// nil.
	Trace func(driver.Step)
}

// Route is the way that received frames take to the host.
type Route uint8

// The routes.
const (
	// Direct hands frames straight up, as if they came by another network interface.
	Direct Route = iota
	// ByCard has them wait on the card for a transfer over the bus, which takes turns with
	// what is sent.
	ByCard
)

// A Profile is the hardware that a card is made as.
type Profile struct {
	Name  string
	Speed int64 // line speed in bit/s
	Tick  drivercomm.Tick
}

// Profiles returns all profiles, the default first. The tick is the cycle of the clock
// that the MACs of that speed are run with:
//
//	netfpga-1g      125 MHz             8 ns
//	netfpga-10g     156.25 MHz          6.4 ns, as on the NetFPGA-10G and SUME
//	25g             390.625 MHz         2.56 ns
//	40g             312.5 MHz           3.2 ns
//	100g            322.265625 MHz      3.103 ns, exactly 512/165 ns
func Profiles() []Profile {
	return []Profile{
		{Name: "netfpga-1g", Speed: 1e9, Tick: drivercomm.NetFPGATick()},
		{Name: "netfpga-10g", Speed: 10e9, Tick: drivercomm.Tick{Num: 32, Den: 5}},
		{Name: "25g", Speed: 25e9, Tick: drivercomm.Tick{Num: 64, Den: 25}},
		{Name: "40g", Speed: 40e9, Tick: drivercomm.Tick{Num: 16, Den: 5}},
		{Name: "100g", Speed: 100e9, Tick: drivercomm.Tick{Num: 512, Den: 165}},
	}
}

// complete returns the configuration with all defaults filled in.
func (c Config) complete() (Config, error) {
	all := Profiles()
	profile := all[0]
	if c.Profile != "" {
		i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == c.Profile })
		if i < 0 {
			return c, fmt.Errorf("netfpga: there is no profile %q; the default is %q", c.Profile, profile.Name)
		}
		profile = all[i]
	}
	if c.Name == "" {
		c.Name = c.name(0)
	}
	switch {
	case c.Speed == 0:
		c.Speed = profile.Speed
	case c.Speed == Infinite:
		c.Speed = 0
	}
	if c.Tick == (drivercomm.Tick{}) {
		c.Tick = profile.Tick
	}
	if c.Firmware != nil {
		if err := c.Firmware.complete(&c); err != nil {
			return c, err
		}
	}
	return c, c.check()
}

func (c *Config) check() error {
	switch {
	case c.Number < 0:
		return errors.New("netfpga: a card's number cannot be negative")
	case len(c.Below) >= drivercomm.MaxPorts:
		return fmt.Errorf("netfpga: a card has at most %d ports", drivercomm.MaxPorts)
	case c.PCI.Transfer < 0 || c.PCI.Speed < 0:
		return errors.New("netfpga: a transfer over the bus cannot cost less than nothing")
	case c.ClockOffset < 0:
		return errors.New("netfpga: the card's clock cannot begin before 0")
	case c.Receive > ByCard:
		return errors.New("netfpga: there is no such way for received frames")
	}
	if err := c.Late.Check(); err != nil {
		return fmt.Errorf("netfpga: %w", err)
	}
	return nil
}

// name returns the name of a port's interface by the number of the card.
func (c *Config) name(port int) string {
	return fmt.Sprintf("nf2c%d", c.Number*drivercomm.MaxPorts+port)
}

// counter returns the card's clock. That of a faithful card begins with 32 bits, all that
// a program can know of it.
func (c *Config) counter() (drivercomm.Counter, error) {
	if c.ClockPPM == 0 && c.ClockOffset == 0 {
		return drivercomm.Counter{Tick: c.Tick}, nil
	}
	if err := c.Tick.Check(); err != nil {
		return drivercomm.Counter{}, err
	}
	tick, err := c.Tick.Off(c.ClockPPM)
	start := c.Tick.Down(clock.Time(c.ClockOffset))
	if c.Firmware != nil {
		start = uint64(uint32(start))
	}
	return drivercomm.Counter{Tick: tick, Start: start}, err
}
