package hold

import (
	"math"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// The ranks of the flows: those that somebody paces go before the others.
const (
	paced = iota
	ready
)

// choice is a frame that may go next.
type choice struct {
	frame *link.Frame
	class *class // nil if it came with its departure
	flow  uint32
	rank  int
	asks  bool       // somebody asked for its departure:
	asked clock.Time // the latest of flow, class and port; else when it was ready
	start clock.Time // when the wire is free for it

	first clock.Time // asked by the earliest it competed with
}

// next finds the frame that leaves next, without taking it out, and returns when it is to
// be handed on. If there is none yet that is when to look again.
func (h *Hold) next(c *choice, now clock.Time) (near clock.Time) {
	if h.stuck.frame != nil {
		*c = h.stuck
		c.start = max(h.free, c.asked)
		return h.near(c)
	}
	limit := now.Add(h.lead)
	wake := h.pick(c, paced, limit)
	if s := h.stamped.first(); s != nil && (c.frame == nil || s.Depart <= c.first) {
		*c = choice{frame: s, asks: true, asked: s.Depart, start: max(h.free, s.Depart), first: s.Depart}
	}
	if h.active[ready] > 0 {
		var r choice
		later := h.pick(&r, ready, limit)
		if r.frame != nil && (h.fits(&r, c, wake, now) || now.Sub(r.frame.Depart) > h.config.Guard) {
			*c = r
		}
		wake = min(wake, later)
	}
	if wake < clock.Never {
		wake = wake.Add(-h.lead)
	}
	near = max(wake, now+1)
	if c.frame != nil {
		near = min(near, h.near(c))
	}
	return near
}

// fits reports whether r, which nobody paces, is over before the next paced frame: that is
// c, if there is one, and no other is due before wake.
func (h *Hold) fits(r, c *choice, wake, now clock.Time) bool {
	end := h.tick(max(r.start, now)).Add(h.occupies(r.frame.Size))
	return end <= wake && (c.frame == nil || end <= c.first)
}

// near returns when c is to be handed on.
func (h *Hold) near(c *choice) clock.Time {
	if c.asks {
		return c.start.Add(-h.lead)
	}
	return c.start
}

// pick finds who is next in a rank of those that are due until the given time: of all
// classes that are due when the first of them can start, the one that has had least for
// its weight. The others are not due before wake.
func (h *Hold) pick(best *choice, rank int, until clock.Time) (wake clock.Time) {
	wake = clock.Never
	if h.active[rank] == 0 {
		return wake
	}
	first := clock.Never
	var size pacer.Size
	for _, c := range h.classes {
		l := &c.lanes[rank]
		i := l.first(until)
		if i == 0 {
			l.asked = clock.Never
			wake = min(wake, l.next())
			continue
		}
		fl := h.flows.at(i)
		n := fl.head().Size
		l.asked = ask(&c.rate, n, fl.at)
		if l.asked < first || best.class == nil {
			first, size, best.class = l.asked, n, c
		}
	}
	if best.class == nil {
		return wake
	}
	start := max(h.free, ask(&h.port, size, first))
	least := uint64(math.MaxUint64)
	for _, c := range h.classes {
		l := &c.lanes[rank]
		if l.asked > start || l.asked == clock.Never {
			continue
		}
		if tag := max(h.virtual[rank], l.finish); tag < least {
			least, best.class = tag, c
		}
	}
	c := best.class
	l := &c.lanes[rank]
	best.flow, best.rank, best.first = l.front, rank, first
	best.frame = h.flows.at(l.front).head()
	best.asked = ask(&h.port, best.frame.Size, l.asked)
	best.start = max(h.free, best.asked)
	best.asks = rank == paced || c.rate.BitsPerSecond > 0 || h.port.BitsPerSecond > 0
	return wake
}

// ask returns when an aggregate lets a frame leave.
func ask(r *pacer.Rate, n pacer.Size, ready clock.Time) clock.Time {
	if r.BitsPerSecond <= 0 {
		return ready
	}
	return r.Next(n, ready)
}

// take takes out the frame that next found, and charges everybody for it. It returns
// false if the frame must wait again, as its pacer has become slower and nobody said so.
func (h *Hold) take(c *choice, now clock.Time) bool {
	if c.class != nil && h.stuck.frame == nil && !h.charge(c) {
		return false
	}
	f := c.frame
	h.waiting--
	h.bytes -= f.Len()
	switch {
	case h.stuck.frame != nil:
		h.stuck = choice{}
		return true
	case c.class == nil:
		h.stamped.pop()
		return true
	}
	c.class.stats.Waited = max(c.class.stats.Waited, now.Sub(f.Depart))
	h.share(c)
	f.Paced, f.Depart = c.asks, c.asked
	fl := h.flows.at(c.flow)
	fl.pop()
	fl.at = c.asked
	switch {
	case fl.tail != nil:
		fl.at = h.due(fl)
		h.enter(c.flow, fl)
	case fl.state&ended != 0:
		h.forget(c.flow)
	}
	return true
}

// schedule is a pacer that knows what of it is missed.
type schedule interface {
	Missed(n pacer.Size, ready clock.Time) time.Duration
}

// charge takes the flow of a choice out of its lane, and charges flow, class and port.
func (h *Hold) charge(c *choice) bool {
	fl := h.flows.at(c.flow)
	c.class.lanes[c.rank].pop()
	h.active[c.rank]--
	if fl.pacer != nil && fl.state&charged == 0 {
		if p, ok := fl.pacer.(schedule); ok {
			c.frame.Missed = p.Missed(c.frame.Size, fl.at)
		}
		if at := fl.pacer.Depart(c.frame.Size, c.asked); at > c.asked {
			fl.at = at
			fl.state |= charged
			h.enter(c.flow, fl)
			return false
		}
	}
	fl.state &^= charged
	if c.class.rate.BitsPerSecond > 0 {
		c.class.rate.Depart(c.frame.Size, c.asked)
	}
	if h.port.BitsPerSecond > 0 {
		h.port.Depart(c.frame.Size, c.asked)
	}
	return true
}

// share notes what a class has had: the start tags of start-time fair queueing, in bytes
// of the wire over the weight, with 16 bits behind the point.
func (h *Hold) share(c *choice) {
	l := &c.class.lanes[c.rank]
	start := max(h.virtual[c.rank], l.finish)
	h.virtual[c.rank] = start
	l.finish = start + uint64(c.frame.Size.Wire)<<16/uint64(c.class.Weight)
	if start>>62 == 0 {
		return
	}
	for _, c2 := range h.classes { // once in 1<<46 bytes: all tags start again
		l := &c2.lanes[c.rank]
		l.finish -= min(l.finish, start)
	}
	h.virtual[c.rank] = 0
}

// occupies returns how long a frame keeps others away, on the wire or by the port's rate.
func (h *Hold) occupies(n pacer.Size) time.Duration {
	d := link.WireTime(n.Wire, h.info.Speed)
	if h.port.BitsPerSecond > 0 {
		d = max(d, link.WireTime(n.In(h.port.Unit), h.port.BitsPerSecond))
	}
	return d
}

// tick rounds t up to the next tick of the device below.
func (h *Hold) tick(t clock.Time) clock.Time {
	tick := clock.Time(h.info.Tick)
	if tick <= 1 {
		return t
	}
	return (t + tick - 1) / tick * tick
}
