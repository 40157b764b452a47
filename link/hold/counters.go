package hold

import (
	"time"

	"github.com/netcaliper/caliper/link"
)

// counters are what a Hold counts besides frames that pass.
type counters struct {
	sent      link.Stats
	peak      int    // the most flows that there were
	reclaimed uint64 // flows forgotten as they were idle
	shared    uint64 // frames of flows beyond Config.Flows
}

// Counters implements link.Device.
func (h *Hold) Counters() link.Counters {
	return link.Counters{Kind: "hold", Sent: h.counters.sent, Waiting: h.waiting, More: []link.Counter{
		{Name: "flows", Value: int64(h.flows.used), Level: true},
		{Name: "flows_peak", Value: int64(h.counters.peak), Level: true},
		{Name: "flows_reclaimed", Value: int64(h.counters.reclaimed)},
		{Name: "frames_shared", Value: int64(h.counters.shared)},
	}}
}

// ClassCounters is what a class has counted.
type ClassCounters struct {
	Name string
	link.Stats
	// Waited is the longest time from when a frame was ready to when it was handed on.
	Waited time.Duration
}

// Classes returns the counters of all classes, the default class first.
func (h *Hold) Classes() []ClassCounters {
	all := make([]ClassCounters, len(h.classes))
	for i, c := range h.classes {
		all[i] = *c.counters
	}
	return all
}

// drop is the one place where frames end here. The class is nil where there is none.
func (h *Hold) drop(f *link.Frame, c *class, why link.Cause) {
	if c != nil {
		c.counters.Drops[why]++
	}
	h.counters.sent.Drop(f, why)
}

// count notes that a frame was handed on.
func (h *Hold) count(c *choice) {
	h.counters.sent.Frames++
	h.counters.sent.Bytes += uint64(c.size)
	if c.class != nil {
		c.class.counters.Frames++
		c.class.counters.Bytes += uint64(c.size)
	}
}
