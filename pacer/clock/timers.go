package clock

import "github.com/netcaliper/caliper/pacer/queue"

// timer is what is to be called, and where in its timers it is.
type timer struct {
	f     func()
	place queue.Place
}

// timers are those that are set: the earliest first, and of those for the same time the one
// that was asked for first.
type timers struct {
	heap queue.Heap[*timer]
}

// next returns the time of the earliest timer, or Never.
func (q *timers) next() Time {
	if q.heap.Len() == 0 {
		return Never
	}
	_, k := q.heap.First()
	return Time(k.At)
}

// set puts t in at a new time, as the seq'th that is set, or takes it out if the time is
// Never. It reports whether it was there before.
func (q *timers) set(t *timer, at Time, seq uint64) bool {
	if at == Never {
		return q.remove(t)
	}
	was := t.place.In()
	q.heap.Set(&t.place, queue.Key{At: int64(at), Seq: seq}, t)
	return was
}

// remove takes t out and reports whether it was there.
func (q *timers) remove(t *timer) bool { return q.heap.Remove(&t.place) }

// pop takes out the earliest timer if it is due at now, else returns nil.
func (q *timers) pop(now Time) (t *timer, at Time) {
	if at = q.next(); at > now || q.heap.Len() == 0 {
		return nil, at
	}
	return q.heap.Pop(), at
}

// before tells whether the earliest timer is before that of r, of which each may have none.
func (q *timers) before(r *timers) bool {
	if q.heap.Len() == 0 || r.heap.Len() == 0 {
		return q.heap.Len() > 0
	}
	_, k := q.heap.First()
	_, l := r.heap.First()
	return k.Before(l)
}
