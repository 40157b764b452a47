package hold

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// flow returns the flow of a frame. An unknown one is made, of the class whose rule
// matches, or shares one where there are too many.
func (h *Hold) flow(f *link.Frame) (uint32, *flow) {
	i, hash := h.flows.find(&f.Flow)
	if i == 0 {
		class := h.classify(f)
		s := h.classes[class].shared
		// A flow that has begun to share goes on with it until nothing waits there, so
		// that its frames stay in order.
		if h.flows.used >= h.config.Flows || s != 0 && h.flows.at(s).tail != nil {
			return h.sharedFlow(class)
		}
		i, fl := h.insert(&f.Flow, hash)
		h.join(fl, class)
		return i, fl
	}
	fl := h.flows.at(i)
	if fl.class == unclassed {
		h.join(fl, h.classify(f))
	}
	return i, fl
}

func (h *Hold) insert(key *pacer.Flow, hash uint32) (uint32, *flow) {
	i, fl := h.flows.insert(key, hash)
	h.counters.peak = max(h.counters.peak, h.flows.used)
	return i, fl
}

// sharedFlow returns the flow of those of a class that have none of their own.
func (h *Hold) sharedFlow(class uint8) (uint32, *flow) {
	c := h.classes[class]
	if c.shared == 0 {
		var fl *flow
		c.shared, fl = h.flows.alloc()
		fl.state = shared
		h.join(fl, class)
	}
	return c.shared, h.flows.at(c.shared)
}

// unshare ends all sharing and returns the frames that waited so.
func (h *Hold) unshare() (moved flow) {
	for _, c := range h.classes {
		if c.shared == 0 {
			continue
		}
		fl := h.flows.at(c.shared)
		if fl.tail != nil {
			h.leave(c.shared, fl)
		}
		for fl.tail != nil {
			moved.push(fl.pop())
		}
		h.flows.release(c.shared)
		c.shared = 0
	}
	return moved
}

// place puts what unshare returned where it now belongs.
func (h *Hold) place(moved flow) {
	for moved.tail != nil {
		f := moved.pop()
		i, fl := h.flow(f)
		h.append(i, fl, f)
	}
}

// join puts a flow that nothing waits of in a class.
func (h *Hold) join(fl *flow, class uint8) {
	fl.class = class
	if fl.state&set != 0 {
		return
	}
	fl.state &^= charged
	fl.pacer = h.classes[class].Policy.New(h.info.Speed)
}

// enter puts a flow with frames in the queue of its class, by flow.at.
func (h *Hold) enter(i uint32, fl *flow) {
	rank := fl.rank()
	h.active[rank]++
	h.classes[fl.class].queues[rank].add(i, fl)
	if max(fl.at, h.free).Add(-h.lead) < h.wake {
		h.soon = true
	}
}

// leave takes a flow with frames out of that.
func (h *Hold) leave(i uint32, fl *flow) {
	rank := fl.rank()
	h.active[rank]--
	h.classes[fl.class].queues[rank].remove(i, fl)
}

// again puts a flow in the queue of its class by what its pacer says now, which is not for the past.
func (h *Hold) again(i uint32, fl *flow) {
	if fl.state&charged != 0 { // it was given its departure
		h.enter(i, fl)
		return
	}
	fl.at = h.due(fl)
	if now := h.clk.Now(); fl.pacer != nil && fl.at < now {
		fl.at = fl.pacer.Next(fl.head().Size, now)
	}
	h.enter(i, fl)
}

// sweep looks at one flow, each time at another, and forgets it if it was idle for long
// enough. Its pacer then knows nothing that it would not know if it were new.
func (h *Hold) sweep(now clock.Time) {
	if h.hand++; h.hand >= h.flows.end {
		h.hand = 0 // which is no flow's
		return
	}
	i := h.hand
	fl := h.flows.at(i)
	if fl.tail != nil || fl.state != known || now.Sub(fl.at) <= h.config.Idle {
		return
	}
	if fl.pacer != nil && now.Sub(fl.pacer.Next(pacer.Size{Wire: 1, IP: 1, Payload: 1}, fl.at)) <= h.config.Idle {
		return
	}
	h.counters.reclaimed++
	h.flows.remove(i)
}
