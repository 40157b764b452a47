// Package mac is the MAC of an Ethernet port of the card: it sends a frame at its tick.
//
// The life of a frame: the generator launches it with a departure tick, one frame at a
// time. The MAC settles on the first tick that is not before the asked one, not in the
// past, and at which the line is free. A timer runs out at that tick, the frame goes to
// the Line, and the Sender is told and may launch the next.
//
// How long a frame holds the line is what Occupancy counts.
package mac

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says what a MAC is like.
type Config struct {
	Speed int64           // line speed in bit/s; 0 means that frames take no time
	Tick  drivercomm.Tick // that a byte's time on the line is counted in

	// Counter is the card's clock. Where its ticks are not quite Tick, neither is the
	// line's speed quite Speed: the line runs on the same oscillator.
	Counter drivercomm.Counter
}

// A Line is what a MAC sends to.
type Line interface {
	// Leave tells that the launched frame leaves now. It must not keep d. It returns false
	// if it has no room; then it calls Resume when it has again.
	Leave(d *Departure) bool
}

// A Sender launches frames.
type Sender interface {
	// Sent tells that the launched frame has left. The next may be launched from within.
	Sent(now clock.Time)
}

// Departure is how a frame leaves.
type Departure struct {
	At      clock.Time // now
	Asked   uint64     // the tick that it was launched for
	Due     uint64     // the tick that the MAC had settled on
	DueAt   clock.Time // when that is; At is later if the clock is
	Queued  bool       // Due is after the asked tick as the line was not free
	Refused bool       // the Line had no room before
}

// MAC is that of an Ethernet port. It is not safe for concurrent use: all of it runs on the
// clock's goroutine.
type MAC struct {
	clk     clock.Clock
	counter drivercomm.Counter
	timer   clock.Timer
	line    Line
	sender  Sender
	taken   Occupancy // of the line

	launched bool // a frame is
	bytes    int  // of it
	d        Departure
	firing   bool // within fire, which looks for the next frame itself
}

// New returns a MAC without a line.
func New(clk clock.Clock, config Config) (*MAC, error) {
	taken, err := NewOccupancy(config.Speed, config.Tick)
	if err != nil {
		return nil, err
	}
	m := &MAC{clk: clk, counter: config.Counter, taken: taken}
	m.timer = clk.AfterFunc(time.Hour, m.fire)
	m.timer.Stop()
	return m, nil
}

// Connect says where frames go and who launches them. It is called once, first.
func (m *MAC) Connect(line Line, sender Sender) { m.line, m.sender = line, sender }

// Launch sends a frame, of so many bytes on the wire without FCS, at the given tick, or as
// soon after it as the line is free. One frame can be launched at a time.
func (m *MAC) Launch(bytes int, departure uint64, now clock.Time) {
	m.launched, m.bytes, m.d.Asked = true, bytes, departure
	m.d.Refused = false
	m.settle(now)
}

// settle finds the tick at which the launched frame leaves.
func (m *MAC) settle(now clock.Time) {
	first := m.taken.Free()
	m.d.Due = max(m.d.Asked, first, m.counter.Up(now))
	m.d.Queued = m.d.Due == first && first > m.d.Asked
	m.d.DueAt = m.counter.Time(m.d.Due)
	if !m.firing {
		m.timer.ResetAt(m.d.DueAt)
	}
}

// Free returns the first tick at which the line is free.
func (m *MAC) Free() uint64 { return m.taken.Free() }

// Occupancy returns how long the line is taken by the frames that have left.
func (m *MAC) Occupancy() Occupancy { return m.taken }

// fire sends the launched frame, and those that are launched behind it for the same time.
func (m *MAC) fire() {
	m.firing = true
	now := m.clk.Now()
	for m.launched {
		if m.d.DueAt > now {
			m.timer.ResetAt(m.d.DueAt)
			break
		}
		if !m.send(now) {
			break
		}
	}
	m.firing = false
}

// send hands the launched frame to the line and tells the sender. It reports false if
// the line refused it.
func (m *MAC) send(now clock.Time) bool {
	m.d.At = now
	if !m.line.Leave(&m.d) {
		m.d.Refused = true
		return false
	}
	m.taken.Take(m.d.Due, m.bytes, m.counter.Down(now))
	if m.launched { // it was not cancelled from within Leave
		m.launched = false
		m.sender.Sent(now)
	}
	return true
}

// Resume tells that the Line has room again.
func (m *MAC) Resume() {
	if m.launched && m.d.Refused {
		m.settle(m.clk.Now())
	}
}

// Cancel takes back the launched frame, if it has not left, without a word to the Sender.
func (m *MAC) Cancel() {
	m.launched = false
	m.timer.Stop()
}
