// Package port is the card's Ethernet port: the MAC that sends a frame at its tick.
//
// The life of a frame: the generator launches it with a departure tick, one frame at a
// time. The port settles on the first tick that is not before the asked one, not in the
// past, and at which the line is free. A timer runs out at that tick, the frame goes to
// the Line, and the Sender is told and may launch the next.
//
// A frame of n bytes without FCS holds the line for (max(64, n+4) + 20) byte times. That
// is carried exactly, also where a byte takes a fraction of a tick: each frame departs at
// a tick, and a line that is never idle is nevertheless at line speed over any number of
// frames.
package port

import (
	"errors"
	"math/bits"
	"time"

	"github.com/netcaliper/caliper/link"
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
	// Leave takes a frame that leaves now, and must keep neither the bytes nor d. It
	// returns false if it has no room; then it calls Resume when it has again.
	Leave(frame []byte, d *Departure) bool
}

// A Sender launches frames.
type Sender interface {
	// Sent tells that the launched frame has left and its memory is free. The next may
	// be launched from within.
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

	// A byte takes num/den ticks on the line, which is free at tick free + part/den.
	num, den   uint64
	free, part uint64

	frame  []byte // launched; nil if none is
	d      Departure
	firing bool // within fire, which looks for the next frame itself
}

// New returns a port without a line.
func New(clk clock.Clock, config Config) (*Port, error) {
	p := &Port{clk: clk, counter: config.Counter, den: 1}
	if err := config.Tick.Check(); err != nil {
		return nil, err
	}
	if config.Speed < 0 {
		return nil, errors.New("the line speed must not be negative")
	}
	if config.Speed > 0 {
		num, den, ok := byteTicks(config.Speed, config.Tick)
		if !ok {
			return nil, errors.New("the line speed is too odd for its tick: a byte takes a fraction of a tick that cannot be counted with")
		}
		p.num, p.den = num, den
	}
	p.timer = clk.AfterFunc(time.Hour, p.fire)
	p.timer.Stop()
	return p, nil
}

// byteTicks returns how many ticks a byte takes, as a fraction in lowest terms. It
// reports false if the fraction is too large to multiply a frame's length with.
func byteTicks(speed int64, tick drivercomm.Tick) (num, den uint64, ok bool) {
	const byteNs = 8e9 // divided by the speed, ns a byte
	a, b := reduce(byteNs, uint64(speed))
	c, d := reduce(tick.Den, tick.Num)
	a, d = reduce(a, d)
	c, b = reduce(c, b)
	over1, num := bits.Mul64(a, c)
	over2, den := bits.Mul64(b, d)
	const bound = 1 << 46 // a frame has less than 2^17 byte times
	return num, den, over1 == 0 && over2 == 0 && num < bound && den < bound
}

func reduce(a, b uint64) (uint64, uint64) {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x, b / x
}

// Connect says where frames go and who launches them. It is called once, first.
func (p *Port) Connect(line Line, sender Sender) { p.line, p.sender = line, sender }

// Launch sends a frame at the given tick, or as soon after it as the line is free. The
// bytes, as many as are on the wire without FCS, are the port's until Sent. One frame
// can be launched at a time.
func (p *Port) Launch(frame []byte, departure uint64, now clock.Time) {
	p.frame, p.d.Asked = frame, departure
	p.d.Refused = false
	p.settle(now)
}

// settle finds the tick at which the launched frame leaves.
func (p *Port) settle(now clock.Time) {
	first := p.Free()
	p.d.Due = max(p.d.Asked, first, p.counter.Up(now))
	p.d.Queued = p.d.Due == first && first > p.d.Asked
	p.d.DueAt = p.counter.Time(p.d.Due)
	if !p.firing {
		p.timer.ResetAt(p.d.DueAt)
	}
}

// Free returns the first tick at which the line is free.
func (p *Port) Free() uint64 {
	if p.part > 0 {
		return p.free + 1
	}
	return p.free
}

// fire sends the launched frame, and those that are launched behind it for the same time.
func (p *Port) fire() {
	p.firing = true
	now := p.clk.Now()
	for p.frame != nil {
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
	wire := link.WireBytes(len(p.frame))
	if !p.line.Leave(p.frame, &p.d) {
		p.d.Refused = true
		return false
	}
	p.occupy(uint64(wire), now)
	if p.frame != nil { // it was not cancelled from within Leave
		p.frame = nil
		p.sender.Sent(now)
	}
	return true
}

// occupy moves the time at which the line is free behind a frame that leaves at d.Due.
func (p *Port) occupy(wire uint64, now clock.Time) {
	start, part := p.d.Due, uint64(0)
	if start == p.Free() {
		start, part = p.free, p.part // back to back: the fraction is carried
	}
	ticks, rest := p.byteTimes(wire, part)
	// A clock that calls a little late does not shift the line. One that is late by
	// more than the frame has left the line idle, which does not come back.
	if late := p.counter.Down(now); late > p.d.Due && late >= start+ticks {
		start = late
		ticks, rest = p.byteTimes(wire, 0)
	}
	p.free, p.part = start+ticks, rest
}

// byteTimes returns how many ticks the given bytes take from a part of a tick on, and the
// part that is left over.
func (p *Port) byteTimes(wire, part uint64) (ticks, rest uint64) {
	n := wire*p.num + part
	if p.den == 1 {
		return n, 0
	}
	return n / p.den, n % p.den
}

// Resume tells that the Line has room again.
func (p *Port) Resume() {
	if p.frame != nil && p.d.Refused {
		p.settle(p.clk.Now())
	}
}

// Cancel takes back the launched frame, if it has not left, without a word to the Sender.
func (p *Port) Cancel() {
	p.frame = nil
	p.timer.Stop()
}
