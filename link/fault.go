package link

import (
	"math/rand/v2"
	"net"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
)

// Faults says how often what goes wrong with a frame, each as a probability from 0 to 1.
type Faults struct {
	Drop      float64 `json:"drop,omitempty"`      // it does not arrive
	Duplicate float64 `json:"duplicate,omitempty"` // it is followed by a copy
	Reorder   float64 `json:"reorder,omitempty"`   // it goes later than it should, behind others
	Corrupt   float64 `json:"corrupt,omitempty"`   // one bit of it is flipped
}

// FaultConfig sets up a Fault.
type FaultConfig struct {
	// Seed of the random numbers: the same seed and the same frames give the same faults.
	Seed uint64
	// Sent and Received are the faults of either direction.
	Sent, Received Faults
	// Late is how much later a reordered frame goes. 0 means 1 ms.
	Late time.Duration
}

// A Fault is a device that loses and damages frames on their way to and from the device
// below it.
type Fault struct {
	below          Device
	handler        Handler
	sent, received faulty
	refused        []*Frame // what the device below had no room for
	blocked        bool     // ErrFull was returned, and Ready is owed
	closed         bool
}

// NewFault returns a Fault above below. A nil config means no faults.
func NewFault(below Device, clk clock.Clock, config *FaultConfig) *Fault {
	if config == nil {
		config = &FaultConfig{}
	}
	d := &Fault{below: below}
	d.sent.init(clk, config.Sent, config, 1, d.send)
	d.received.init(clk, config.Received, config, 2, d.receive)
	return d
}

// Info implements Device.
func (d *Fault) Info() Info {
	i := d.below.Info()
	i.Super = 0
	return i
}

// Attach implements Device.
func (d *Fault) Attach(h Handler) {
	d.handler = h
	d.below.Attach(d)
}

// Transmit implements Device. What becomes of a frame is decided once, when it is taken.
// So it takes all frames, keeps those that the device below refuses, and is full as long
// as there are any.
func (d *Fault) Transmit(frames []*Frame) (int, error) {
	if d.closed {
		return 0, net.ErrClosed
	}
	if len(d.refused) > 0 && len(frames) > 0 {
		d.blocked = true
		return 0, ErrFull
	}
	d.sent.pass(frames)
	return len(frames), nil
}

// send hands frames to the device below, behind those that it refused before, and tells
// the handler if there is room again.
func (d *Fault) send(frames []*Frame) {
	d.refused = append(d.refused, frames...)
	bytes := size(d.refused)
	n, err := d.below.Transmit(d.refused)
	d.sent.stats.Frames += uint64(n)
	d.sent.stats.Bytes += bytes - size(d.refused[n:])
	if err != nil && err != ErrFull {
		d.sent.close(d.refused[n:])
		n = len(d.refused)
	}
	rest := copy(d.refused, d.refused[n:])
	clear(d.refused[rest:])
	d.refused = d.refused[:rest]
	if d.blocked && rest == 0 && !d.closed {
		d.blocked = false
		d.handler.Ready()
	}
}

// size returns how many bytes frames have.
func size(frames []*Frame) (n uint64) {
	for _, f := range frames {
		n += uint64(f.Len())
	}
	return n
}

// receive hands frames to the handler.
func (d *Fault) receive(frames []*Frame) {
	d.received.stats.Frames += uint64(len(frames))
	d.received.stats.Bytes += size(frames)
	d.handler.Receive(frames)
}

// Receive implements Handler.
func (d *Fault) Receive(frames []*Frame) { d.received.pass(frames) }

// Ready implements Handler.
func (d *Fault) Ready() { d.send(nil) }

// Below implements Device.
func (d *Fault) Below() Device { return d.below }

// Counters implements Device. What an emulated fault has taken is dropped as Lost.
func (d *Fault) Counters() Counters {
	return Counters{
		Kind: "fault", Sent: d.sent.stats, Received: d.received.stats, Waiting: len(d.refused) + len(d.sent.late),
		More: append(d.sent.more("sent"), d.received.more("received")...),
	}
}

// Close implements Device.
func (d *Fault) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.sent.close(d.refused)
	d.refused = nil
	for _, dir := range []*faulty{&d.sent, &d.received} {
		dir.timer.Stop()
		for _, l := range dir.late {
			dir.close([]*Frame{l.f})
		}
		dir.late = nil
	}
	return d.below.Close()
}

// faulty is one direction of a Fault.
type faulty struct {
	clk    clock.Clock
	faults Faults
	rand   *rand.Rand
	to     func([]*Frame)
	delay  time.Duration
	late   []lateFrame // the earliest first, as all are late by the same time
	timer  clock.Timer
	out    []*Frame
	stats  Stats

	duplicated, reordered, corrupted int64
}

// more returns what went wrong in a direction, and is no drop.
func (d *faulty) more(direction string) []Counter {
	return []Counter{
		{Name: direction + "_duplicated", Value: d.duplicated},
		{Name: direction + "_reordered", Value: d.reordered},
		{Name: direction + "_corrupted", Value: d.corrupted},
	}
}

type lateFrame struct {
	f  *Frame
	at clock.Time
}

func (d *faulty) init(clk clock.Clock, faults Faults, config *FaultConfig, stream uint64, to func([]*Frame)) {
	d.clk, d.faults, d.to = clk, faults, to
	d.rand = rand.New(rand.NewPCG(config.Seed, stream))
	d.delay = config.Late
	if d.delay <= 0 {
		d.delay = time.Millisecond
	}
	d.timer = clk.AfterFunc(time.Duration(clock.Never), d.release)
	d.timer.Stop()
}

// pass hands on what is left of frames.
func (d *faulty) pass(frames []*Frame) {
	out := d.lend()
	for _, f := range frames {
		if d.happens(d.faults.Drop) {
			d.stats.Drop(f, Lost)
			continue
		}
		if d.happens(d.faults.Corrupt) && f.Len() > 0 {
			d.corrupted++
			bit := d.rand.IntN(8 * f.Len())
			f.Bytes()[bit/8] ^= 1 << (bit % 8)
		}
		var double *Frame
		if d.happens(d.faults.Duplicate) {
			d.duplicated++
			double = f.Clone()
		}
		if d.happens(d.faults.Reorder) {
			d.reordered++
			d.hold(f)
		} else {
			out = append(out, f)
		}
		if double != nil {
			out = append(out, double)
		}
	}
	d.hand(out)
}

// happens draws a random number where a fault is possible at all.
func (d *faulty) happens(p float64) bool { return p > 0 && d.rand.Float64() < p }

// lend gives out the slice for frames to be handed on, until hand. In between others may be
// sent, by an Origin that is told of a frame.
func (d *faulty) lend() []*Frame {
	out := d.out[:0]
	d.out = nil
	return out
}

// hand hands on out and takes it back.
func (d *faulty) hand(out []*Frame) {
	if len(out) > 0 {
		d.to(out)
	}
	clear(out)
	d.out = out
}

func (d *faulty) hold(f *Frame) {
	at := d.clk.Now().Add(d.delay)
	d.late = append(d.late, lateFrame{f, at})
	if len(d.late) == 1 {
		d.timer.ResetAt(at)
	}
}

// release hands on late frames whose time has come.
func (d *faulty) release() {
	out, now, n := d.lend(), d.clk.Now(), 0
	for n < len(d.late) && d.late[n].at <= now {
		out = append(out, d.late[n].f)
		n++
	}
	rest := copy(d.late, d.late[n:])
	clear(d.late[rest:])
	d.late = d.late[:rest]
	if rest > 0 {
		d.timer.ResetAt(d.late[0].at)
	}
	d.hand(out)
}

// close drops frames that waited.
func (d *faulty) close(frames []*Frame) {
	for _, f := range frames {
		d.stats.Drop(f, Closed)
	}
}
