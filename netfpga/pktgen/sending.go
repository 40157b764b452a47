package pktgen

import (
	"math/bits"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Horizon is how many ticks before its departure a packet is launched (tech doc
// section 5.1).
const Horizon = 5000

// sending is the state of a sending thread, the only one that sends packets to its port.
type sending struct {
	next     uint64  // id of the packet that is sent next
	launched *output // by the MAC
	last     uint64  // departure of the packet before, in ticks, as it was scheduled
	schedule schedule
	timer    clock.Timer
	waiting  bool // for the next packet's departure to be imminent; the timer is set
}

func (s *sending) reset(now uint64) {
	s.timer.Stop()
	*s = sending{last: now, timer: s.timer}
}

// manageSending launches the next packet if it is prepared and its departure imminent,
// or does with it what the policy says if it is late.
//
// The card's time has 64 bits. In the original the sending thread, which never rests,
// makes them of the 32 of the hardware's counter (tech doc section 5.4). This one rests,
// and reads all 64.
func (e *egress) manageSending() bool {
	s, g := &e.sending, e.g
	if s.launched != nil || s.waiting {
		return false
	}
	out := e.prepared[s.next%outputSlots]
	if out == nil {
		return false
	}
	departure := s.departure(out)
	now := g.now()
	ticks := g.counter.Down(now)
	if departure > after(ticks, Horizon) {
		s.waiting = true
		s.timer.ResetAt(g.counter.Time(departure - Horizon))
		return false
	}
	e.prepared[s.next%outputSlots] = nil
	s.next++
	send := true
	if departure < ticks {
		departure, send = e.late(departure, now)
	} else {
		s.schedule.late = 0
	}
	s.last = departure
	if !send {
		e.freeOut = append(e.freeOut, out)
		if g.dropped != nil {
			g.dropped(e.n)
		}
		return true
	}
	g.stats.Packets++
	s.launched = out
	e.mac.Launch(out.wire, departure, now)
	return true
}

// departure returns the tick that a packet is scheduled for.
func (s *sending) departure(out *output) uint64 {
	if out.absolute {
		return after(out.clock, s.schedule.moved)
	}
	return after(s.last, out.clock)
}

// imminent wakes the thread when the departure that it waits for is.
func (e *egress) imminent() {
	e.sending.waiting = false
	e.g.wake()
}

// Sent implements mac.Sender: the launched packet has left.
func (e *egress) Sent(now clock.Time) {
	s := &e.sending
	if s.launched == nil {
		return
	}
	e.freeOut = append(e.freeOut, s.launched)
	s.launched = nil
	if g := e.g; !g.running {
		g.run(clock.At(now))
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
