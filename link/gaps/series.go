package gaps

import (
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// key names a series.
type key struct {
	flow      pacer.Flow
	iface     int
	index     uint32
	direction pcap.Direction
}

// A series is what was seen of one flow by one interface in one direction. The packets
// that count, which are those that the schedule has, are compared with it.
type series struct {
	key
	packets uint64
	size    total      // of all packets
	latest  pacer.Size // of the packet read last
	first   clock.Time
	last    clock.Time

	asked    pacer.Pacer // nil where nothing was asked for
	counted  uint64
	previous counted

	gap       histogram // between packets that count, but for pauses
	askedGap  histogram
	gapError  histogram // gap - askedGap
	backwards uint64    // packets with an earlier stamp than the one before
	pauses    uint64
	paused    time.Duration

	drift              int64 // sum of the gap errors since the last pause
	driftMin, driftMax int64
	trail              trail // of the drift, or of the gaps where nothing was asked for

	run    uint64    // packets of the burst that goes on
	bursts histogram // lengths of those that are over, single packets included
}

// total is the size of many packets, in bytes as in pacer.Size.
type total struct{ wire, payload uint64 }

// counted is a packet that counts.
type counted struct {
	at    clock.Time
	asked clock.Time
	wire  int
}

// add takes in a packet.
func (s *series) add(a *Analysis, p *Packet) {
	if s.packets == 0 {
		s.first, s.last = p.Time, p.Time
	}
	s.packets++
	s.size.wire += uint64(p.Size.Wire)
	s.size.payload += uint64(p.Size.Payload)
	s.latest = p.Size
	s.first, s.last = min(s.first, p.Time), max(s.last, p.Time)
	if !a.config.counts(p.Size) {
		return
	}
	now := counted{at: p.Time, wire: p.Size.Wire}
	if s.asked != nil {
		now.asked = s.asked.Depart(p.Size, 0)
	}
	before := s.previous
	s.previous = now
	if s.counted++; s.counted == 1 {
		s.run = 1
		return
	}
	gap := now.at.Sub(before.at)
	if gap < 0 {
		s.backwards++
	}
	s.burst(a, gap, before.wire, p.Interface)
	if a.config.Pause > 0 && gap > a.config.Pause {
		s.pauses++
		s.paused += gap
		s.drift = 0
		return
	}
	if a.config.Pause > 0 && gap < -a.config.Pause { // a clock that was set back says nothing
		s.drift = 0
		return
	}
	s.gap.add(int64(gap), &a.budget)
	if s.asked == nil {
		s.trail.add(now.at, int64(gap))
		return
	}
	s.compare(a, now.at, gap, now.asked.Sub(before.asked))
}

// compare takes in a gap and what it was asked to be.
func (s *series) compare(a *Analysis, at clock.Time, gap, asked time.Duration) {
	s.askedGap.add(int64(asked), &a.budget)
	s.gapError.add(int64(gap-asked), &a.budget)
	s.drift += int64(gap - asked)
	s.driftMin, s.driftMax = min(s.driftMin, s.drift), max(s.driftMax, s.drift)
	s.trail.add(at, s.drift)
}

// burst makes the packet behind a gap a part of the burst that goes on, or the first of
// another. wire is the size of the packet before the gap.
func (s *series) burst(a *Analysis, gap time.Duration, wire, iface int) {
	if close := a.close(wire, iface); gap <= close && gap >= -close {
		s.run++
		return
	}
	s.bursts.add(int64(s.run), &a.budget)
	s.run = 1
}

// close returns the longest gap within a burst behind a packet of so many wire bytes.
func (a *Analysis) close(wire, iface int) time.Duration {
	if a.config.BurstGap > 0 {
		return a.config.BurstGap
	}
	return link.WireTime(wire, a.line(iface)) * 21 / 20
}

// line returns the speed of the line in bit/s.
func (a *Analysis) line(iface int) int64 {
	switch {
	case a.config.Line > 0:
		return a.config.Line
	case iface < len(a.reader.Interfaces) && a.reader.Interfaces[iface].Speed > 0:
		return a.reader.Interfaces[iface].Speed
	}
	return DefaultLine
}
