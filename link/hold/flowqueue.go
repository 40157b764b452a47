package hold

import (
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// flowQueue holds the flows of a class and rank that have frames, in order of flow.at; those
// for the past in the order in which they came, so that all of them have a turn. The
// first is taken out of the wheel to be looked at when it is due.
type flowQueue struct {
	flows *table
	wheel pacer.Wheel[uint32]
	bound clock.Time // nothing in the wheel is due before it
	front uint32     // the first, or 0
	at    clock.Time // its flow.at

	asked  clock.Time // what class and flow ask for the first, while somebody is picked
	finish uint64     // finish tag of the frame that left last

	ahead [aheadFlows]uint32 // flows that were read ahead,
	chain [aheadFlows]uint32 // others of their chains in the table,
	left  int                // and how many are taken until it is time for others
	read  clock.Time         // the sum of what was read
}

// add puts a flow in.
func (q *flowQueue) add(i uint32, fl *flow) {
	if q.front == 0 || fl.at >= q.at {
		q.put(i, fl)
		return
	}
	q.put(q.front, q.flows.at(q.front))
	q.front, q.at = i, fl.at
}

func (q *flowQueue) put(i uint32, fl *flow) {
	fl.handle = q.wheel.Add(fl.at, i)
	q.bound = min(q.bound, fl.at)
}

// remove takes a flow out.
func (q *flowQueue) remove(i uint32, fl *flow) {
	if i == q.front {
		q.front = 0
		return
	}
	q.wheel.Remove(fl.handle)
}

// first returns the first flow if it is due at the given time or before, or 0.
func (q *flowQueue) first(until clock.Time) uint32 {
	for q.front == 0 {
		if q.bound > until || q.bound == clock.Never {
			return 0
		}
		// The wheel's present is moved no further than it must, as what is added for
		// a time before it loses its place.
		if i, _, ok := q.wheel.Take(q.bound); ok {
			q.front, q.at = i, q.flows.at(i).at
			q.readAhead()
		}
		q.bound = q.wheel.Next()
	}
	if q.at > until {
		return 0
	}
	return q.front
}

// next returns when the first flow is due, or earlier.
func (q *flowQueue) next() clock.Time {
	if q.front != 0 {
		return q.at
	}
	return q.bound
}

// pop takes out what first returned.
func (q *flowQueue) pop() { q.front = 0 }

// fewFlows is how many are in the caches in any case.
const fewFlows = 1 << 12

// aheadFlows is how many are read ahead in one go: what belongs to them, some 800 bytes each,
// stays in the nearest caches until it is wanted.
const aheadFlows = 32

// readAhead reads every cache line that the next departures need: the flows, their oldest
// frames, their pacers, and what the search for a flow goes through when its next frame comes.
// Of a million flows nothing of it is in the processor's caches any more; read in one go it
// comes in the time of a few, and is there when it is wanted. Each round only follows
// pointers that the round before has read, so that no read waits for another of its round.
// The sum has no other use than that the compiler does not leave the reads out.
func (q *flowQueue) readAhead() {
	if q.left--; q.left >= 0 || q.wheel.Len() < fewFlows {
		return
	}
	q.left = q.wheel.Soon(q.ahead[:])
	t, ahead, sum := q.flows, q.ahead[:q.left], clock.Time(0)
	for _, i := range ahead {
		fl := t.at(i)
		sum += clock.Time(fl.key.Src[0]) + fl.at + clock.Time(fl.frames) + clock.Time(t.chained(i).hash)
	}
	for k, i := range ahead {
		fl := t.at(i)
		sum += fl.tail.Touch()
		if r, ok := fl.pacer.(*pacer.Rate); ok {
			sum += clock.Time(r.BitsPerSecond)
		}
		q.chain[k] = t.buckets[t.bucket(t.chained(i).hash)]
	}
	for k, i := range ahead {
		fl := t.at(i)
		f := fl.head()
		sum += f.Touch()
		if _, ok := fl.pacer.(*pacer.Rate); !ok && fl.pacer != nil {
			sum += fl.pacer.Next(f.Size, f.Depart)
		}
		q.chain[k] = t.chained(q.chain[k]).next
	}
	for _, i := range q.chain[:q.left] {
		sum += clock.Time(t.chained(i).hash)
	}
	q.read = sum
}
