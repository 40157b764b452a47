// Package port is the card's Ethernet port: the MAC that sends a frame at its tick.
//
// The life of a frame: the generator launches it with a departure tick, one frame at a
// time. The port settles on the first tick that is not before the asked one, not in the
// past, and at which the line is free. A timer runs out at that tick, the frame goes to
// the Line, and the Sender is told and may launch the next.
//
// How long a frame holds the line is what Occupancy counts.
package port

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says what a port is like.
type Config struct {
	Speed int64           // line speed in bit/s; 0 means that frames take no time
	Tick  drivercomm.Tick // that a byte's time on the line is counted in

	// Counter is the card's clock. Where its ticks are not quite Tick, neither is the
	// line's speed quite Speed: the line runs on the same oscillator.
	Counter drivercomm.Counter
}

// A Line is what a port sends to.
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
	Due     uint64     // the tick that the port had settled on
	DueAt   clock.Time // when that is; At is later if the clock is
	Queued  bool       // Due is after the asked tick as the line was not free
	Refused bool       // the Line had no room before
}

// Port is an Ethernet port. It is not safe for concurrent use: all of it runs on the
// clock's goroutine.
type Port struct {
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

// New returns a port without a line.
func New(clk clock.Clock, config Config) (*Port, error) {
	taken, err := NewOccupancy(config.Speed, config.Tick)
	if err != nil {
		return nil, err
	}
	p := &Port{clk: clk, counter: config.Counter, taken: taken}
	p.timer = clk.AfterFunc(time.Hour, p.fire)
	p.timer.Stop()
	return p, nil
}

// Connect says where frames go and who launches them. It is called once, first.
func (p *Port) Connect(line Line, sender Sender) { p.line, p.sender = line, sender }

// Launch sends a frame, of so many bytes on the wire without FCS, at the given tick, or as
// soon after it as the line is free. One frame can be launched at a time.
func (p *Port) Launch(bytes int, departure uint64, now clock.Time) {
	p.launched, p.bytes, p.d.Asked = true, bytes, departure
	p.d.Refused = false
	p.settle(now)
}

// settle finds the tick at which the launched frame leaves.
func (p *Port) settle(now clock.Time) {
	first := p.taken.Free()
	p.d.Due = max(p.d.Asked, first, p.counter.Up(now))
	p.d.Queued = p.d.Due == first && first > p.d.Asked
	p.d.DueAt = p.counter.Time(p.d.Due)
	if !p.firing {
		p.timer.ResetAt(p.d.DueAt)
	}
}

// Free returns the first tick at which the line is free.
func (p *Port) Free() uint64 { return p.taken.Free() }

// Occupancy returns how long the line is taken by the frames that have left.
func (p *Port) Occupancy() Occupancy { return p.taken }

// fire sends the launched frame, and those that are launched behind it for the same time.
func (p *Port) fire() {
	p.firing = true
	now := p.clk.Now()
	for p.launched {
		if p.d.DueAt > now {
			p.timer.ResetAt(p.d.DueAt)
			break
		}
		if !p.send(now) {
			break
		}
	}
	p.firing = false
}

// send hands the launched frame to the line and tells the sender. It reports false if
// the line refused it.
func (p *Port) send(now clock.Time) bool {
	p.d.At = now
	if !p.line.Leave(&p.d) {
		p.d.Refused = true
		return false
	}
	p.taken.Take(p.d.Due, p.bytes, p.counter.Down(now))
	if p.launched { // it was not cancelled from within Leave
		p.launched = false
		p.sender.Sent(now)
	}
	return true
}

// Resume tells that the Line has room again.
func (p *Port) Resume() {
	if p.launched && p.d.Refused {
		p.settle(p.clk.Now())
	}
}

// Cancel takes back the launched frame, if it has not left, without a word to the Sender.
func (p *Port) Cancel() {
	p.launched = false
	p.timer.Stop()
}
