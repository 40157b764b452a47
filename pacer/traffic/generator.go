package traffic

import (
	"errors"
	"iter"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Packet of a plan says how large a packet is and when it leaves. As Caliper's generator
// describes them to the card's driver (tech doc section 2), the first packet leaves at an
// absolute time, and every other at one relative to the packet before.
type Packet struct {
	Payload   int        // of UDP, in bytes
	Absolute  bool       // Departure is a time, not a distance from the packet before
	Departure clock.Time // in ns
}

// An Injector makes packets, with headers of its own, and has them sent in order. Inject
// returns link.ErrFull where it has no room for one now, and keeps nothing of the Packet.
type Injector interface {
	Inject(*Packet) error
}

// A schedule turns a plan into packets.
type schedule struct {
	plan   *Plan
	packet Packet // the last one
	start  clock.Time
	last   clock.Optional // absolute departure of packet
}

// next makes the next packet. It returns false if there is none.
func (s *schedule) next(now clock.Time) bool {
	at, payload, ok := s.plan.Next(now.Sub(s.start))
	if !ok {
		return false
	}
	depart := s.start.Add(at)
	s.packet = Packet{Payload: payload, Absolute: !s.last.IsSet(), Departure: depart - s.last.Or(0)}
	s.last = clock.At(depart)
	return true
}

// Packets returns the packets of a plan that begins at a date, in ns since 1970.
func Packets(plan *Plan, start time.Time) iter.Seq[Packet] {
	s := schedule{plan: plan, start: clock.Time(start.UnixNano())}
	return func(yield func(Packet) bool) {
		for s.next(s.start.Add(time.Since(start))) && yield(s.packet) {
		}
	}
}

// A Generator gives the packets of a plan to an Injector, such as the driver of a card, as
// many as it has room for.
type Generator struct {
	clk      clock.Clock
	counters *Counters
	to       Injector
	schedule schedule
	ready    bool // to be sent: the packet that was made last
}

// NewGenerator returns a Generator of the packets of a plan. open returns where they go,
// and is told which function to call when there is room again after link.ErrFull. A Monitor
// under the card counts in the same Counters what leaves.
func NewGenerator(clk clock.Clock, plan *Plan, counters *Counters, open func(ready func()) Injector) *Generator {
	g := &Generator{clk: clk, counters: counters, schedule: schedule{plan: plan}}
	g.to = open(g.feed)
	return g
}

// Start begins: the first packet leaves when lead has passed.
func (g *Generator) Start(lead time.Duration) {
	g.schedule.start = g.clk.Now().Add(lead)
	g.feed()
}

// Stop ends the plan. What was injected already still leaves.
func (g *Generator) Stop() { g.counters.End(nil) }

// feed injects packets while there is room for them.
func (g *Generator) feed() {
	for !g.counters.ended {
		if !g.ready && !g.schedule.next(g.clk.Now()) {
			g.counters.End(nil)
			return
		}
		g.ready = true
		switch err := g.to.Inject(&g.schedule.packet); {
		case err == nil:
			g.ready = false
			g.counters.Give()
		case errors.Is(err, link.ErrFull):
			return
		default:
			g.counters.End(err)
			return
		}
	}
}
