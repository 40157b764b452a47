package traffic

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A Monitor stands directly under a card and counts what leaves.
//
// No hold.Hold above the card has seen an injected packet, and told when the line would be free
// of the frames before. The Monitor knows it now, and writes it to Frame.Sched, so
// that a frame that had to wait for the line is late by contention, and one that the card
// was not ready for is not.
type Monitor struct {
	clk      clock.Clock
	below    link.Device
	speed    int64
	counters *Counters
	free     clock.Time // when the line is free of what has left
	left     []leaving  // what is in Transmit now
	told     int        // of how many of that the end is known, where the device stamps
}

// leaving is what is kept of a frame that belongs to the device below.
type leaving struct {
	asked clock.Time
	size  pacer.Size
}

// NewMonitor returns a Monitor above below, for a card with a line of so many bit/s.
func NewMonitor(below link.Device, clk clock.Clock, speed int64, c *Counters) *Monitor {
	return &Monitor{clk: clk, below: below, speed: speed, counters: c}
}

// Info implements link.Device.
func (m *Monitor) Info() link.Info { return m.below.Info() }

// Attach implements link.Device.
func (m *Monitor) Attach(h link.Handler) { m.below.Attach(h) }

// Transmit implements link.Device.
func (m *Monitor) Transmit(frames []*link.Frame) (int, error) {
	now := m.clk.Now()
	m.left = m.left[:0]
	for _, f := range frames {
		if !f.Sched.IsSet() {
			f.Sched = clock.At(f.Depart)
			if now <= m.free.Add(link.DefaultTick) { // it left as soon as the line was free
				f.Sched = clock.At(max(f.Depart, m.free))
			}
		}
		m.left = append(m.left, leaving{f.Depart, f.Size})
		if _, ok := f.Origin.(*Player); ok {
			f.Cookie = m
		}
	}
	n, err := m.transmit(frames, now)
	for _, f := range frames[n:] {
		if f.Cookie == m {
			f.Cookie = nil
		}
	}
	return n, err
}

func (m *Monitor) transmit(frames []*link.Frame, now clock.Time) (int, error) {
	if m.below.Info().Stamps {
		return m.transmitStamped(frames)
	}
	n, err := m.below.Transmit(frames)
	for _, l := range m.left[:n] {
		m.leave(l.asked, now, l.size)
	}
	return n, err
}

// transmitStamped hands frames to a device that tells which of them leave. What it takes
// else, it drops.
func (m *Monitor) transmitStamped(frames []*link.Frame) (int, error) {
	for _, f := range frames {
		f.Watch(m)
	}
	m.told = 0
	n, err := m.below.Transmit(frames)
	for range n - m.told {
		m.counters.Drop()
	}
	return n, err
}

// dropped is told by the Player of a frame that it was dropped below.
func (m *Monitor) dropped() {
	if m.below.Info().Stamps { // else it counts as left
		m.told++
		m.counters.Drop()
	}
}

// Left implements link.Witness.
func (m *Monitor) Left(f *link.Frame) {
	m.told++
	m.leave(f.Depart, f.Sent.Or(f.Depart), f.Size)
}

func (m *Monitor) leave(asked, actual clock.Time, size pacer.Size) {
	m.free = max(m.free, actual).Add(link.WireTime(size.Wire, m.speed))
	m.counters.Leave(asked, actual, size)
}

// Below implements link.Device.
func (m *Monitor) Below() link.Device { return m.below }

// Counters implements link.Device.
func (m *Monitor) Counters() link.Counters { return link.Counters{Kind: "monitor"} }

// Close implements link.Device.
func (m *Monitor) Close() error { return m.below.Close() }
