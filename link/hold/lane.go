package hold

import (
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// lane holds the flows of a class and rank that have frames, in order of flow.at; those
// for the past in the order in which they came, so that all of them have a turn. The
// first is taken out of the wheel to be looked at when it is due.
type lane struct {
	flows *table
	wheel pacer.Wheel[uint32]
	bound clock.Time // nothing in the wheel is due before it
	front uint32     // the first, or 0
	at    clock.Time // its flow.at

	asked  clock.Time // what class and flow ask for the first, while somebody is picked
	finish uint64     // finish tag of the frame that left last

	ahead [32]uint32 // flows that were read ahead,
	left  int        // and how many are taken until it is time for others
	read  clock.Time // the sum of what was read
}

// add puts a flow in.
func (l *lane) add(i uint32, fl *flow) {
	if l.front == 0 || fl.at >= l.at {
		l.put(i, fl)
		return
	}
	l.put(l.front, l.flows.at(l.front))
	l.front, l.at = i, fl.at
}

func (l *lane) put(i uint32, fl *flow) {
	fl.handle = l.wheel.Add(fl.at, i)
	l.bound = min(l.bound, fl.at)
}

// remove takes a flow out.
func (l *lane) remove(i uint32, fl *flow) {
	if i == l.front {
		l.front = 0
		return
	}
	l.wheel.Remove(fl.handle)
}

// first returns the first flow if it is due at the given time or before, or 0.
func (l *lane) first(until clock.Time) uint32 {
	for l.front == 0 {
		if l.bound > until || l.bound == clock.Never {
			return 0
		}
		// The wheel's present is moved no further than it must, as what is added for
		// a time before it loses its place.
		if i, _, ok := l.wheel.Take(l.bound); ok {
			l.front, l.at = i, l.flows.at(i).at
			l.readAhead()
		}
		l.bound = l.wheel.Next()
	}
	if l.at > until {
		return 0
	}
	return l.front
}

// next returns when the first flow is due, or earlier.
func (l *lane) next() clock.Time {
	if l.front != 0 {
		return l.at
	}
	return l.bound
}

// pop takes out what first returned.
func (l *lane) pop() { l.front = 0 }

// fewFlows is how many are in the caches in any case.
const fewFlows = 1 << 12

// readAhead reads what the next departures need: the flows, their oldest frames and their
// pacers. Of a million flows nothing of it is in the processor's caches any more; read in
// one go it comes in the time of a few, and is there when it is wanted. The sum has no
// other use than that the compiler does not leave the reads out.
func (l *lane) readAhead() {
	if l.left--; l.left >= 0 || l.wheel.Len() < fewFlows {
		return
	}
	l.left = l.wheel.Soon(l.ahead[:])
	sum := clock.Time(0)
	for _, i := range l.ahead[:l.left] {
		sum += l.flows.at(i).at
	}
	for _, i := range l.ahead[:l.left] {
		fl := l.flows.at(i)
		f := fl.head()
		sum += clock.Time(f.Size.Wire + f.Len())
		if fl.pacer != nil {
			sum += fl.pacer.Next(f.Size, f.Depart)
		}
	}
	l.read = sum
}
