package pacer

import "github.com/netcaliper/caliper/pacer/clock"

// PerFlow holds a Pacer for each flow and is itself a Pacer, which asks the flow's own.
// A flow without one is not paced.
//
// The table keeps a flow until it is removed: whoever learns that a flow has ended says
// so, or it grows by each flow that Default is asked about.
type PerFlow struct {
	// Default makes the Pacer of a flow that is not in the table. It is asked once a
	// flow; if it returns nil the flow is not paced. A nil Default paces none.
	Default func(Flow) Pacer

	flows map[Flow]Pacer
}

// Set paces the flow f by p from its next packet on; nil is Remove.
func (t *PerFlow) Set(f Flow, p Pacer) {
	if p == nil {
		t.Remove(f)
		return
	}
	if t.flows == nil {
		t.flows = make(map[Flow]Pacer)
	}
	t.flows[f] = p
}

// Remove forgets the flow f. If it sends again it is a new one, which Default is asked
// about, and it may then overtake its own packets that wait for an earlier answer.
func (t *PerFlow) Remove(f Flow) { delete(t.flows, f) }

// Lookup returns the Pacer of the flow f, or nil if it is not paced.
func (t *PerFlow) Lookup(f Flow) Pacer {
	p, known := t.flows[f]
	if known || t.Default == nil {
		return p
	}
	if t.flows == nil {
		t.flows = make(map[Flow]Pacer)
	}
	p = t.Default(f)
	t.flows[f] = p
	return p
}

// Len returns how many flows the table holds.
func (t *PerFlow) Len() int { return len(t.flows) }

// Depart implements Pacer: it asks the flow's own, or returns now.
func (t *PerFlow) Depart(f Flow, n Size, now clock.Time) clock.Time {
	if p := t.Lookup(f); p != nil {
		return p.Depart(f, n, now)
	}
	return now
}
