package netfpga

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
)

// Stats counts what passed the card, where it had to wait, and where it stayed.
type Stats struct {
	link.Stats // frames handed to the device below, and those dropped

	Late    Late
	Refused uint64 // how often the device below had no room for a frame

	Driver driver.Stats
	Bus    pci.Stats
	Pktgen pktgen.Stats
}

// Late counts the paced frames that left after their tick, by what kept them.
type Late struct {
	Host  uint64 // it was handed to the card after its departure
	Card  uint64 // it waited in the driver or on the card, for quota, the bus or a slot
	Line  uint64 // the frame in front of it was still on the line
	Below uint64 // the device below had no room
	Clock uint64 // the clock called late; never in virtual time

	Max time.Duration // the latest of them, after its tick
}

// Frames returns how many frames were late, for any cause.
func (l *Late) Frames() uint64 { return l.Host + l.Card + l.Line + l.Below + l.Clock }

// lateness is what kept a frame.
type lateness uint8

const (
	onTime lateness = iota
	byHost
	byCard
	byLine
	byBelow
	byClock
)

func (l *Late) count(cause lateness, d time.Duration) {
	l.Max = max(l.Max, d)
	switch cause {
	case byHost:
		l.Host++
	case byCard:
		l.Card++
	case byLine:
		l.Line++
	case byBelow:
		l.Below++
	case byClock:
		l.Clock++
	}
}

// Stats returns the counters.
func (c *Card) Stats() Stats {
	s := c.stats
	s.Driver, s.Bus, s.Pktgen = c.driver.Stats(), c.bus.Stats(), c.gen.Stats()
	return s
}
