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

	size int        // in a batch, of the frame without FCS
	free clock.Time // when the wire is free without it
}

// next finds the frame that leaves next, without taking it out, and returns when it is to
// be handed on. If there is none yet that is when to look again.
func (h *Hold) next(c *choice, now clock.Time) (near clock.Time) {
	if len(h.stuck) > 0 {
		*c = h.stuck[0]
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

// pick finds the next frame of a rank among those that are due until the given time: of all
// classes that are due when the first of them can start, that of the class that has had least
// for its weight. The other classes are not due before wake.
func (h *Hold) pick(best *choice, rank int, until clock.Time) (wake clock.Time) {
	wake = clock.Never
	if h.active[rank] == 0 {
		return wake
	}
	first := clock.Never
	var size pacer.Size
	for _, c := range h.classes {
		q := &c.queues[rank]
		i := q.first(until)
		if i == 0 {
			q.asked = clock.Never
			wake = min(wake, q.next())
			continue
		}
		fl := h.flows.at(i)
		n := fl.head().Size
		q.asked = ask(&c.rate, n, fl.at)
		if q.asked < first || best.class == nil {
			first, size, best.class = q.asked, n, c
		}
	}
	if best.class == nil {
		return wake
	}
	start := max(h.free, ask(&h.port, size, first))
	least := uint64(math.MaxUint64)
	for _, c := range h.classes {
		q := &c.queues[rank]
		if q.asked > start || q.asked == clock.Never {
			continue
		}
		if tag := max(h.virtual[rank], q.finish); tag < least {
			least, best.class = tag, c
		}
	}
	c := best.class
	q := &c.queues[rank]
	best.flow, best.rank, best.first = q.front, rank, first
	best.frame = h.flows.at(q.front).head()
	best.asked = ask(&h.port, best.frame.Size, q.asked)
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

// share notes what a class has had: the start tags of start-time fair queueing, in bytes
// of the wire over the weight, with 16 bits behind the point.
func (h *Hold) share(c *choice) {
	q := &c.class.queues[c.rank]
	start := max(h.virtual[c.rank], q.finish)
	h.virtual[c.rank] = start
	q.finish = start + uint64(c.frame.Size.Wire)<<16/uint64(c.class.Weight)
	if start>>62 == 0 {
		return
	}
	for _, c2 := range h.classes { // once in 1<<46 bytes: all tags start again
		q := &c2.queues[c.rank]
		q.finish -= min(q.finish, start)
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
