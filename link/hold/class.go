package hold

import (
	"fmt"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// class is a Class at work.
type class struct {
	Class
	rate     pacer.Rate   // of 0 bit/s if there is none
	queues   [2]flowQueue // by rank
	shared   uint32       // the flow of those that have none of their own, or 0
	counters *ClassCounters
}

// classify returns the class of a frame.
func (h *Hold) classify(f *link.Frame) uint8 {
	for i, c := range h.classes[1:] {
		if c.Rule.Matches(&f.Flow, &f.Tag) {
			return uint8(i + 1)
		}
	}
	return 0
}

// SetClasses replaces all classes. One that has the name of one before goes on with its
// counters and its rate. Flows of which frames wait are classified again by the first of
// these, the others by their next frame, and pacers that come from a class are made
// again. It returns an error and changes nothing where Config.Check would.
func (h *Hold) SetClasses(classes []Class, rest Class) error {
	if err := checkClasses(classes, rest); err != nil {
		return err
	}
	h.config.Classes, h.config.Default = classes, rest
	h.setClasses()
	h.pump()
	return nil
}

func (h *Hold) setClasses() {
	moved := h.unshare()
	before := make(map[string]*class)
	for _, c := range h.classes {
		before[c.Name] = c
	}
	h.classes = h.classes[:0:0]
	for _, config := range append([]Class{h.config.Default.named()}, h.config.Classes...) {
		c := &class{Class: config, counters: &ClassCounters{Name: config.Name}}
		c.Weight = max(c.Weight, 1)
		if was := before[c.Name]; was != nil {
			c.counters, c.rate = was.counters, was.rate
			for rank := range c.queues {
				c.queues[rank].finish = was.queues[rank].finish
			}
		}
		for rank := range c.queues {
			c.queues[rank].flows = &h.flows
		}
		h.setRate(&c.rate, c.Rate, c.Unit)
		h.classes = append(h.classes, c)
	}
	h.active = [2]int{}
	for i := range h.flows.all() {
		fl := h.flows.at(i)
		if fl.tail == nil {
			fl.class = unclassed
			continue
		}
		h.join(fl, h.classify(fl.head()))
		h.again(i, fl)
	}
	h.place(moved)
}

// SetRate changes the aggregate rate of a class, or that of the port where the name is
// empty, to so many bit/s; 0 means none. It returns an error if there is no such class or
// the rate is negative.
func (h *Hold) SetRate(class string, bps int64) error {
	if bps < 0 {
		return fmt.Errorf("hold: a rate of %d bit/s is not possible", bps)
	}
	if class == "" {
		h.setRate(&h.port, bps, h.config.Unit)
		h.pump()
		return nil
	}
	for _, c := range h.classes {
		if c.Name == class {
			h.setRate(&c.rate, bps, c.Unit)
			h.pump()
			return nil
		}
	}
	return fmt.Errorf("hold: there is no class %q", class)
}

func (h *Hold) setRate(r *pacer.Rate, bps int64, unit pacer.Unit) {
	switch {
	case bps == 0:
		*r = pacer.Rate{}
	case r.BitsPerSecond == 0:
		*r = pacer.Rate{BitsPerSecond: bps, Unit: unit}
		// It begins now: that frames have waited gives no credit.
		r.Depart(pacer.Size{}, h.clk.Now())
	default:
		r.Unit = unit
		// It cannot fail: the rate is at least 1.
		_ = r.SetRate(bps, h.clk.Now())
	}
}
