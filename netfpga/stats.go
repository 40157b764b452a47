package netfpga

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/firmware"
	"github.com/netcaliper/caliper/netfpga/pci"
	"github.com/netcaliper/caliper/netfpga/pktgen"
)

// Stats counts what passed the card, where it had to wait, and where it stayed.
type Stats struct {
	PortStats // of all interfaces

	// Clock is what the driver knows of the card's clock.
	Clock driver.Clock

	Driver driver.Stats
	Bus    pci.Stats
	Pktgen pktgen.Stats

	// Firmware is what the program of a faithful card did, and what became of packets
	// behind its memory. Of Pktgen that card counts what it can.
	Firmware firmware.Stats
}

// PortStats counts what passed an interface.
type PortStats struct {
	link.Stats // frames handed to the device below, and those dropped

	Received link.Stats // frames that came from below
	Injected uint64     // packets that senders injected
	Late     Late
	Refused  uint64 // how often the device below had no room for a frame
	Foreign  uint64 // frames of the faithful card's program that nobody had given to it
}

// Late counts the paced frames that left after their tick, by what kept them, and those
// that did not leave as they would have been late.
type Late struct {
	Host   uint64 // it was handed to the card after its departure
	Card   uint64 // it waited in the driver or on the card, for quota, the bus or a slot
	Line   uint64 // the frame in front of it was still on the line
	Below  uint64 // the device below had no room
	Clock  uint64 // the clock called late; never in virtual time
	Policy uint64 // the schedule had been moved behind a late one

	Dropped uint64 // counted among link.Stats.Drops as link.LinkError too

	Max time.Duration // the latest of those that left, after its tick
}

// Frames returns how many frames left late, for any cause.
func (l *Late) Frames() uint64 {
	return l.Host + l.Card + l.Line + l.Below + l.Clock + l.Policy
}

// lateness is what kept a frame.
type lateness uint8

const (
	onTime lateness = iota
	byHost
	byCard
	byLine
	byBelow
	byClock
	byPolicy
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
	case byPolicy:
		l.Policy++
	}
}

// merge adds what another interface counted.
func (l *Late) merge(o *Late) {
	l.Host += o.Host
	l.Card += o.Card
	l.Line += o.Line
	l.Below += o.Below
	l.Clock += o.Clock
	l.Policy += o.Policy
	l.Dropped += o.Dropped
	l.Max = max(l.Max, o.Max)
}

// merge adds what another interface counted.
func (s *PortStats) merge(o *PortStats) {
	s.Stats.Add(&o.Stats)
	s.Received.Add(&o.Received)
	s.Injected += o.Injected
	s.Late.merge(&o.Late)
	s.Refused += o.Refused
	s.Foreign += o.Foreign
}

// counters returns what an interface has counted in the shape of all devices.
func (s *PortStats) counters(name string) link.Counters {
	return link.Counters{Kind: "card", Name: name, Sent: s.Stats, Received: s.Received, More: []link.Counter{
		{Name: "injected", Value: int64(s.Injected)},
		{Name: "refused", Value: int64(s.Refused)},
		{Name: "foreign", Value: int64(s.Foreign)},
		{Name: "late_host", Value: int64(s.Late.Host)},
		{Name: "late_card", Value: int64(s.Late.Card)},
		{Name: "late_line", Value: int64(s.Late.Line)},
		{Name: "late_below", Value: int64(s.Late.Below)},
		{Name: "late_clock", Value: int64(s.Late.Clock)},
		{Name: "late_policy", Value: int64(s.Late.Policy)},
		{Name: "late_dropped", Value: int64(s.Late.Dropped)},
		{Name: "late_max_ns", Value: int64(s.Late.Max), Level: true},
	}}
}

// Stats returns the counters of the interface.
func (i *Interface) Stats() PortStats { return i.stats }

// Stats returns the counters of the card and of all its interfaces.
func (c *Card) Stats() Stats {
	var s Stats
	for _, i := range c.ports {
		s.merge(&i.stats)
	}
	s.Driver, s.Bus, s.Pktgen = c.driver.Stats(), c.bus.Stats(), c.gen.Stats()
	s.Clock = c.driver.Clock()
	if c.firmware != nil {
		s.Firmware = c.firmware.Behind()
	}
	return s
}
