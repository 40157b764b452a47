package hold

import (
	"slices"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// flow is what is known of a flow. A million of them are in memory: 88 bytes each, to
// which come its pacer, its place in the wheel, and 12 to 13 bytes of the table.
type flow struct {
	key    pacer.Flow
	class  uint8
	state  uint8
	pacer  pacer.Pacer
	tail   *link.Frame  // the newest frame, whose Next is the oldest; nil if there is none
	at     clock.Time   // when the oldest may leave; without one, when the last was asked to
	handle pacer.Handle // in the wheel
	bytes  uint32       // of frames, in sum
	frames uint32
}

// What flow.state says.
const (
	known   = 1 << iota // it is in the table; else it is shared, or free
	set                 // its pacer was set, and is kept
	ended               // it is forgotten when its frames have left
	charged             // its pacer has been charged for the oldest frame
	shared              // it stands for all flows of its class that have none of their own
)

// unclassed is the class of a flow that waits for its next frame to be classified.
const unclassed = 1<<8 - 1

func (fl *flow) head() *link.Frame { return fl.tail.Next }

// push puts a frame behind the others.
func (fl *flow) push(f *link.Frame) {
	fl.bytes += uint32(f.Total())
	fl.frames += uint32(f.Frames())
	if fl.tail == nil {
		f.Next = f
		fl.tail = f
		fl.cut()
		return
	}
	f.Next, fl.tail.Next = fl.tail.Next, f
	fl.tail = f
}

func (fl *flow) pop() *link.Frame {
	f := fl.tail.Next
	if f == fl.tail {
		fl.tail = nil
	} else {
		fl.tail.Next = f.Next
		fl.cut()
	}
	f.Next = nil
	fl.bytes -= uint32(f.Len())
	fl.frames--
	return f
}

// cut has the oldest be a frame that can leave: if it is a super-segment, the next frame is cut
// off it, as the flow's turn comes. So the payload is copied a frame's time before it leaves,
// and a super-segment never is a head.
func (fl *flow) cut() {
	super := fl.tail.Next
	if super.Super == nil {
		return
	}
	f := super.Cut()
	if super.Frames() > 0 {
		f.Next, fl.tail.Next = super, f
		return
	}
	f.Next = super.Next
	if fl.tail.Next = f; fl.tail == super {
		f.Next, fl.tail = f, f
	}
	super.Next = nil
	super.Free()
}

// due returns when the oldest frame of a flow may leave.
func (h *Hold) due(fl *flow) clock.Time {
	f := fl.head()
	if fl.pacer == nil {
		return f.Depart
	}
	return fl.pacer.Next(f.Size, f.Depart.Add(h.fullFrame))
}

// rank returns the rank of a flow.
func (fl *flow) rank() int {
	if fl.pacer == nil {
		return ready
	}
	return paced
}

// take takes out the frame that next found, and charges everybody for it. It returns
// false if the frame must wait again, as its pacer has become slower and nobody said so.
func (h *Hold) take(c *choice, now clock.Time) bool {
	f := c.frame
	switch {
	case len(h.stuck) > 0:
		h.stuck = slices.Delete(h.stuck, 0, 1)
	case c.class == nil:
		h.stamped.pop()
	case !h.charge(c):
		return false
	default:
		c.class.counters.Waited = max(c.class.counters.Waited, now.Sub(f.Depart))
		h.share(c)
		f.Paced, f.Depart = c.asks, c.asked
		h.advance(c)
	}
	h.waiting--
	h.bytes -= f.Len()
	return true
}

// advance takes the oldest frame out of its flow, which then waits for its next one.
func (h *Hold) advance(c *choice) {
	fl := h.flows.at(c.flow)
	fl.pop()
	fl.at = c.asked
	switch {
	case fl.tail != nil:
		fl.at = h.due(fl)
		h.enter(c.flow, fl)
	case fl.state&ended != 0:
		h.flows.remove(c.flow)
	}
}

// schedule is a pacer that knows what of it is missed.
type schedule interface {
	Missed(n pacer.Size, ready clock.Time) time.Duration
}

// charge takes the flow of a choice out of its queue, and charges flow, class and port.
func (h *Hold) charge(c *choice) bool {
	fl := h.flows.at(c.flow)
	c.class.queues[c.rank].pop()
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
