package netfpga

import (
	"errors"
	"net"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/driver"
	"github.com/netcaliper/caliper/netfpga/drivercomm"
	"github.com/netcaliper/caliper/netfpga/mac"
	"github.com/netcaliper/caliper/pacer/clock"
)

// maxMTU is the largest IP packet of an Ethernet frame, in bytes.
const maxMTU = 1500

// Interface is a network interface of a card, one Ethernet port of it as a link.Device
// (tech doc section 3.7). It is made by New.
type Interface struct {
	card  *Card
	n     int // of the port
	info  link.Info
	above link.Handler
	below link.Device
	mac   *mac.MAC
	route Route

	txring txRing    // what the driver and the card have, the oldest first
	behind txRing    // of that, on the faithful card, what its program has launched
	keep   *Firmware // how much of a frame the driver is given; nil: all
	sender *Sender   // that injected the last of these; nil if it is a frame
	wait   waiter
	rx     receiving
	one    [1]*link.Frame
	closed bool

	account account
}

func newInterface(c *Card, n int, m *mac.MAC, below link.Device, cfg *Config) *Interface {
	i := &Interface{card: c, n: n, mac: m, below: below, route: cfg.Receive, keep: cfg.Firmware}
	i.info = below.Info()
	i.info.Name = cfg.Name
	if n > 0 {
		i.info.Name = cfg.name(n)
	}
	i.info.MTU = min(i.info.MTU, maxMTU)
	i.info.Speed = cfg.Speed
	i.info.Paces = true
	i.info.Tick = time.Duration(cfg.Tick.Time(1))
	i.info.Lead, i.info.Batch = cfg.lead(), perMessage
	i.wait.ready = i.ready
	c.waiters = append(c.waiters, &i.wait)
	return i
}

// Info implements link.Device.
func (i *Interface) Info() link.Info { return i.info }

// Attach implements link.Device.
func (i *Interface) Attach(above link.Handler) {
	i.above = above
	i.below.Attach(fromBelow{i})
}

// Transmit implements link.Device.
func (i *Interface) Transmit(frames []*link.Frame) (int, error) {
	if i.closed {
		return 0, net.ErrClosed
	}
	if err := i.card.err; err != nil {
		return 0, err
	}
	d := i.card.driver
	now := i.card.clk.Now()
	for n, f := range frames {
		if i.closed { // by the Origin of a frame that was dropped here
			return n, net.ErrClosed
		}
		wire := wireLen(f)
		switch {
		case f.Len() == 0:
			i.account.sent.Drop(f, link.Malformed)
			continue
		case wire > drivercomm.MaxWire || !i.info.Fits(f.Bytes()):
			i.account.sent.Drop(f, link.TooLong)
			continue
		}
		carried := i.keep.carried(f)
		tick, ok := d.Send(&driver.Packet{Port: i.n, Bytes: f.Bytes()[:carried], Wire: wire, Departure: f.Sched.Or(f.Depart)})
		if !ok {
			i.wait.full = true
			return n, link.ErrFull
		}
		if !f.Enqueued.IsSet() { // else the device above has offered it before
			f.Enqueued = clock.At(now)
		}
		i.sender = nil
		i.give(given{frame: f, carried: carried, tick: tick})
	}
	i.wait.full = false
	d.Flush()
	return len(frames), nil
}

// Below implements link.Device.
func (i *Interface) Below() link.Device { return i.below }

// ready tells what is above that the driver has room again.
func (i *Interface) ready() {
	if i.above != nil && !i.closed {
		i.above.Ready()
	}
}

// wireLen returns how many bytes a frame has on the wire, without FCS. A frame without a
// link header counts as if it had one (link.Frame.Measure).
func wireLen(f *link.Frame) int {
	if f.Size.Wire == 0 {
		return max(drivercomm.MinWire, f.Len())
	}
	const overhead = 24 // FCS, preamble and gap
	return max(drivercomm.MinWire, f.Len(), f.Size.Wire-overhead)
}

// line is what the MAC sends to.
type line struct{ *Interface }

// Leave implements mac.Line: the frame that the driver was given leaves.
func (i line) Leave(d *mac.Departure) bool {
	g := i.leaving().Pop()
	f := g.frame
	if f == nil {
		return true
	}
	n, cause := f.Len(), i.kept(g, d)
	if !i.info.Stamps {
		f.Left(d.At)
	}
	i.one[0] = f
	taken, err := i.below.Transmit(i.one[:])
	i.one[0] = nil
	switch {
	case taken == 1:
		i.account.sent.Frames++
		i.account.sent.Bytes += uint64(n)
		if cause != onTime {
			i.account.late.count(cause, d.At.Sub(i.card.counter.Time(g.tick)))
		}
	case i.closed:
		i.account.sent.Drop(f, link.Closed)
	case errors.Is(err, link.ErrFull):
		i.account.refused++
		i.leaving().Unpop(g)
		return false
	case errors.Is(err, net.ErrClosed):
		i.account.sent.Drop(f, link.Closed)
	default:
		i.account.sent.Drop(f, link.LinkError)
	}
	return true
}

// kept returns what kept a paced frame from leaving at its tick.
func (i line) kept(g given, d *mac.Departure) lateness {
	switch {
	case !g.frame.Paced || d.Due <= g.tick && d.At.Sub(d.DueAt) < i.info.Tick:
		return onTime
	case g.frame.Enqueued.Or(0) > i.card.counter.Time(g.tick):
		return byHost
	case d.Refused:
		return byBelow
	case d.Due <= g.tick:
		return byClock
	case d.Asked > g.tick && i.card.firmware == nil:
		return byPolicy
	case d.Queued: // on the faithful card that is why it was launched late, too
		return byLine
	}
	return byCard
}

// dropped drops the oldest frame, which the card has dropped as it was late.
func (i *Interface) dropped() {
	if f := i.txring.Pop().frame; f != nil {
		i.account.late.dropped++
		i.account.sent.Drop(f, link.LinkError)
	}
}

// Close implements link.Device. The frames of other interfaces of the card go on.
func (i *Interface) Close() error {
	if i.closed {
		return nil
	}
	i.closed = true
	i.card.down()
	onTheirWay := i.leaving().Len()
	i.forget(link.Closed)
	for range onTheirWay {
		i.leaving().Push(given{})
	}
	i.rx.clear(&i.account.received, link.Closed)
	return i.below.Close()
}
