package endpoint

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// flow is one direction of a connection.
type flow struct {
	key      pacer.Flow
	waiting  int // frames
	largest  int // IP packet so far, in bytes
	sequence sequence
	tcp      waitingData
	loop     Loop
	opening  handshake
	stopped  link.Stop // by whom, when a frame of it left last
}

// sent notes how large a packet of the flow is.
func (fl *flow) sent(size int) { fl.largest = max(fl.largest, size) }

// heard reports whether somebody wants to hear what answers the flow.
func (fl *flow) heard() bool { return fl.loop != nil || fl.opening.sent.IsSet() }

// minFlows is how many flows are known before the first sweep.
const minFlows = 1024

// flows is the table of those that the endpoint sends. The zero table is empty.
type flows struct {
	known   map[pacer.Flow]*flow
	last    *flow // that was looked for, as it is often the next one
	sweepAt int
	heard   int // flows of which heard is true
}

// find returns a flow, nil if it is not known.
func (t *flows) find(key pacer.Flow) *flow {
	if t.last != nil && t.last.key == key {
		return t.last
	}
	fl := t.known[key]
	if fl != nil {
		t.last = fl
	}
	return fl
}

// get returns a flow, which is known from then on.
func (t *flows) get(key pacer.Flow) *flow {
	fl := t.find(key)
	if fl != nil {
		return fl
	}
	if t.known == nil {
		t.known, t.sweepAt = make(map[pacer.Flow]*flow), minFlows
	}
	if len(t.known) >= t.sweepAt {
		t.sweep()
	}
	fl = &flow{key: key}
	t.known[key] = fl
	t.last = fl
	return fl
}

// sweep forgets the flows that have nothing waiting, and nobody who listens.
func (t *flows) sweep() {
	for key, fl := range t.known {
		if fl.waiting == 0 && fl.loop == nil {
			t.open(fl, handshake{})
			delete(t.known, key)
		}
	}
	t.last = nil
	t.sweepAt = max(minFlows, 2*len(t.known))
}

// listen says who hears of a flow.
func (t *flows) listen(fl *flow, l Loop) {
	was := fl.heard()
	fl.loop = l
	t.count(fl, was)
}

// open says what is known of a flow's handshake.
func (t *flows) open(fl *flow, h handshake) {
	was := fl.heard()
	fl.opening = h
	t.count(fl, was)
}

func (t *flows) count(fl *flow, was bool) {
	switch is := fl.heard(); {
	case is && !was:
		t.heard++
	case was && !is:
		t.heard--
	}
}
