package netfpga

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/pci"
)

// Infinite is a line speed at which frames take no time.
const Infinite = -1

// Config sets up a Card. The zero Config is the NetFPGA 1G with a bus that costs nothing.
type Config struct {
	// Name is the name of the interface. "" means "nf2c0".
	Name string

	// Profile says what hardware it is; see Profiles. "" means "netfpga-1g".
	Profile string

	// Speed is the line speed in bit/s; 0 means that of the profile, and Infinite that
	// frames take no time. Departures are at ticks also then.
	Speed int64

	// Tick is the card's tick. The zero Tick means that of the profile.
	Tick drivercomm.Tick

	// PCI is what transfers over the bus cost. The zero Cost means nothing;
	// pci.Measured is what the original had.
	PCI pci.Cost

	// Trace is called for every step of the driver, on the clock's goroutine. It may be
	// nil.
	Trace func(driver.Step)
}

// A Profile is the hardware that a card is made as.
type Profile struct {
	Name  string
	Speed int64 // line speed in bit/s
	Tick  drivercomm.Tick
}

// Profiles returns all profiles, the default first.
func Profiles() []Profile {
	return []Profile{
		{Name: "netfpga-1g", Speed: 1e9, Tick: drivercomm.NetFPGATick()},
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
		c.Name = "nf2c0"
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
	if c.PCI.Transfer < 0 || c.PCI.Speed < 0 {
		return c, errors.New("netfpga: a transfer over the bus cannot cost less than nothing")
	}
	return c, nil
}

// tickLength returns a tick's length for link.Info, rounded up to a nanosecond.
func tickLength(t drivercomm.Tick) time.Duration {
	return time.Duration(t.Time(1))
}
