package pktgen

import (
	"errors"
	"iter"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A describer puts the packets of a plan into words for a driver. The first one leaves at
// an absolute time, and every other at one that is relative to the one before.
type describer struct {
	plan   *Plan
	packet netfpga.Description // the packet described last
	start  clock.Time
	last   clock.Optional // absolute departure of packet
}

// next describes the next packet. It returns false if there is none.
func (d *describer) next(now clock.Time) bool {
	at, payload, ok := d.plan.Next(now.Sub(d.start))
	if !ok {
		return false
	}
	depart := d.start.Add(at)
	d.packet.Payload = payload
	d.packet.Absolute = !d.last.IsSet()
	d.packet.Departure = depart - d.last.Or(0)
	d.last = clock.At(depart)
	return true
}

// Descriptions returns descriptions of the packets of a plan that begins at a date, in ns
// since 1970, like the one given but for sizes and times.
func Descriptions(plan *Plan, like netfpga.Description, start time.Time) iter.Seq[netfpga.Description] {
	d := describer{plan: plan, packet: like, start: clock.Time(start.UnixNano())}
	return func(yield func(netfpga.Description) bool) {
		for d.next(d.start.Add(time.Since(start))) && yield(d.packet) {
		}
	}
}

// A Generator describes the packets of a plan to the driver of a card of this process,
// which makes them and sends them. It describes as many as the driver has room for.
type Generator struct {
	clk    clock.Clock
	tally  *Tally
	sender *netfpga.Sender
	words  describer
	ready  bool // to be sent: the packet that was described last
}

// NewGenerator returns a Generator of packets like the one described, whose sizes and times
// are those of the plan. A Meter under the card counts what leaves in tally.
func NewGenerator(clk clock.Clock, card *netfpga.Card, plan *Plan, like netfpga.Description, tally *Tally) *Generator {
	g := &Generator{clk: clk, tally: tally, words: describer{plan: plan, packet: like}}
	g.sender = card.NewSender(netfpga.SenderConfig{Ready: g.feed})
	return g
}

// Start begins: the first packet leaves when lead has passed.
func (g *Generator) Start(lead time.Duration) {
	g.words.start = g.clk.Now().Add(lead)
	g.feed()
}

// Stop ends the plan. What was described already still leaves.
func (g *Generator) Stop() { g.tally.end(nil) }

// feed describes packets while there is room for them.
func (g *Generator) feed() {
	for !g.tally.ended {
		if !g.ready && !g.words.next(g.clk.Now()) {
			g.tally.end(nil)
			return
		}
		g.ready = true
		switch err := g.sender.Inject(&g.words.packet); {
		case err == nil:
			g.ready = false
			g.tally.give()
		case errors.Is(err, link.ErrFull):
			return
		default:
			g.tally.end(err)
			return
		}
	}
}
