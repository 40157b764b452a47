package hold

import (
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Do carries out a command and returns the flow's status after it. A command that came from
// elsewhere must have passed its Check. Once a flow has a policy of its own, what its class
// says of it does not count any more.
func (h *Hold) Do(c pacer.Command) pacer.Status {
	i, hash := h.flows.find(&c.Flow)
	switch {
	case c.Op == pacer.SetPolicy, c.Op == pacer.ChangeRate && !h.changeRate(i, &c.Policy):
		p := c.Custom
		if p == nil {
			p = c.Policy.New(h.info.Speed)
		}
		i = h.setPacer(i, hash, &c.Flow, p)
	case c.Op == pacer.Follow:
		h.feedback = c.Feedback
		h.follow(i)
	case c.Op == pacer.Forget && i != 0:
		if h.flows.at(i).tail != nil {
			h.flows.at(i).state |= ended
			break
		}
		h.flows.remove(i)
		i = 0
	}
	return h.status(i)
}

// setPacer says who asks for the departures of a flow, which is made if its index is 0.
func (h *Hold) setPacer(i, hash uint32, key *pacer.Flow, p pacer.Pacer) uint32 {
	if i == 0 {
		i, fl := h.insert(key, hash)
		fl.class = unclassed
		fl.state, fl.pacer = known|set, p
		h.place(h.unshare()) // some of it may be the flow's
		h.pump()
		return i
	}
	fl := h.flows.at(i)
	fl.state = known | set
	if fl.tail == nil {
		fl.pacer = p
		return i
	}
	h.leave(i, fl)
	fl.pacer = p
	h.again(i, fl)
	h.pump()
	return i
}

// changeRate changes the rate of a flow that has one of its own in the policy's unit, and
// reports whether it has.
func (h *Hold) changeRate(i uint32, p *pacer.Policy) bool {
	if i == 0 || h.flows.at(i).state&set == 0 {
		return false
	}
	r, ok := h.flows.at(i).pacer.(*pacer.Rate)
	if !ok || r.Unit != p.Unit || r.SetRate(p.BitsPerSecond, h.clk.Now()) != nil {
		return false
	}
	h.retime(i)
	return true
}

// follow has the pacer of a flow follow its connection by h.feedback.
func (h *Hold) follow(i uint32) {
	if i == 0 {
		return
	}
	switch p := h.flows.at(i).pacer.(type) {
	case nil, *pacer.Rate, *pacer.Gaps, *pacer.Schedule:
		return // it has not changed
	case pacer.Follower:
		p.Follow(&h.feedback, h.clk.Now())
	}
	h.retime(i)
}

// retime asks again for the departure of what waits, as the flow's pacer has changed.
func (h *Hold) retime(i uint32) {
	fl := h.flows.at(i)
	if fl.tail == nil {
		return
	}
	h.leave(i, fl)
	h.again(i, fl)
	h.pump()
}

// status returns what is known of a flow; of index 0, nothing.
func (h *Hold) status(i uint32) (s pacer.Status) {
	s.NextDeparture = clock.Never
	if i == 0 {
		return s
	}
	fl := h.flows.at(i)
	s.Paced = fl.pacer != nil
	_, s.Follows = fl.pacer.(pacer.Follower)
	s.Rate = fl.rate()
	s.Frames, s.Bytes = int64(fl.frames), int64(fl.bytes)
	if fl.tail != nil {
		n := fl.head().Size
		s.NextDeparture = ask(&h.port, n, ask(&h.classes[fl.class].rate, n, fl.at))
	}
	return s
}

// rate returns the rate that a flow is paced at in bit/s, 0 if it is not paced by one.
func (fl *flow) rate() int64 {
	if r, ok := fl.pacer.(interface{ BitRate() int64 }); ok {
		return r.BitRate()
	}
	return 0
}
