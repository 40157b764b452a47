package pktgen

import (
	"math/bits"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// sending is the state of the sending thread, the only one that sends packets.
type sending struct {
	next     uint64  // id of the packet that is sent next
	launched *output // in the port
	last     uint64  // departure of the packet launched last, in ticks, as it was scheduled
	timer    clock.Timer
	waiting  bool // for the next packet's departure to be imminent; the timer is set
}

func (s *sending) reset(now uint64) {
	s.timer.Stop()
	*s = sending{last: now, timer: s.timer}
}

// manageSending launches the next packet if it is prepared and its departure imminent.
// The card's time has 64 bits: the 32-bit counter, and the high word that the sending
// thread of the original keeps.
func (g *Generator) manageSending() bool {
	s := &g.sending
	if s.launched != nil || s.waiting {
		return false
	}
	out := g.prepared[s.next%outputSlots]
	if out == nil {
		return false
	}
	departure := out.h.Clock
	if !out.h.Absolute {
		departure = after(s.last, out.h.Clock)
	}
	now := g.now()
	ticks := g.tick.Down(now)
	if departure > after(ticks, Horizon) {
		s.waiting = true
		s.timer.ResetAt(g.tick.Time(departure - Horizon))
		return false
	}
	g.stats.Packets++
	if departure < ticks {
		g.stats.Late++
	}
	g.prepared[s.next%outputSlots] = nil
	s.next++
	s.last = departure
	s.launched = out
	g.port.Launch(out.mem[:out.h.WireLen], departure, now)
	return true
}

func (g *Generator) imminent() {
	g.sending.waiting = false
	g.wake()
}

// Sent implements port.Sender: the launched packet has left.
func (g *Generator) Sent(now clock.Time) {
	s := &g.sending
	if s.launched == nil {
		return
	}
	g.freeOut = append(g.freeOut, s.launched)
	s.launched = nil
	if !g.running {
		g.run(now)
	}
}

// after returns t+d, or the end of the card's time.
func after(t, d uint64) uint64 {
	sum, carry := bits.Add64(t, d, 0)
	if carry > 0 {
		return 1<<64 - 1
	}
	return sum
}

// quota is what the sending thread owes the driver.
type quota struct {
	mem     [drivercomm.ReplyLen]byte // the output slot for messages to the driver
	offered bool                      // it holds one that the driver has not taken
	answer  bool                      // a reset is to be answered
	freed   int32                     // input slots that the driver was not told of
}

// sendSpecial offers the driver the answer to a reset, or tells it of freed input slots.
func (g *Generator) sendSpecial() bool {
	q := &g.quota
	if q.offered {
		return false
	}
	var r drivercomm.Reply
	switch {
	case q.answer:
		q.answer = false
		r.Type = drivercomm.ResetDone
	case q.freed >= drivercomm.QuotaStep:
		r.Type, r.Quota = drivercomm.Quota, q.freed
		q.freed = 0
	default:
		return false
	}
	r.Time = g.tick.Down(g.now())
	q.offered = true
	g.stats.Replies++
	g.host.Offer(r.Put(q.mem[:]))
	return true
}

// Taken implements pci.Card: the driver has the message.
func (g *Generator) Taken() {
	g.quota.offered = false
	g.wake()
}
