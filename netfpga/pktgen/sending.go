package pktgen

import (
	"math/bits"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Horizon is how many ticks before its departure a packet is launched (tech doc
// section 5.1).
const Horizon = 5000

// sending is the state of a sending thread, the only one that sends packets to its port.
type sending struct {
	next     uint64  // id of the packet that is sent next
	launched *output // in the port
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
func (l *lane) manageSending() bool {
	s, g := &l.sending, l.g
	if s.launched != nil || s.waiting {
		return false
	}
	out := l.prepared[s.next%outputSlots]
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
	l.prepared[s.next%outputSlots] = nil
	s.next++
	send := true
	if departure < ticks {
		departure, send = l.late(departure, now)
	} else {
		s.schedule.late = 0
	}
	s.last = departure
	if !send {
		l.freeOut = append(l.freeOut, out)
		if g.dropped != nil {
			g.dropped(l.mac)
		}
		return true
	}
	g.stats.Packets++
	s.launched = out
	mac := drivercomm.ParseIOQ(out.mem[:]).MAC()
	g.lanes[mac].port.Launch(out.mem[drivercomm.IOQHeader:out.end], departure, now)
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
func (l *lane) imminent() {
	l.sending.waiting = false
	l.g.wake()
}

// Sent implements port.Sender: the launched packet has left.
func (l *lane) Sent(now clock.Time) {
	s := &l.sending
	if s.launched == nil {
		return
	}
	l.freeOut = append(l.freeOut, s.launched)
	s.launched = nil
	if g := l.g; !g.running {
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
