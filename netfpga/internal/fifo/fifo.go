// Package fifo is the queue that the parts of the card keep their waiting work in.
package fifo

// A Queue gives back first what was put in first. The zero Queue is empty. It grows to
// what it once held, so that it does not allocate in the steady state.
type Queue[T any] struct {
	ring []T // its length is zero or a power of two
	head int
	n    int
}

// Len returns how many are in the queue.
func (q *Queue[T]) Len() int { return q.n }

// Push puts v behind all others.
func (q *Queue[T]) Push(v T) {
	q.grow()
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// Unpop puts v before all others.
func (q *Queue[T]) Unpop(v T) {
	q.grow()
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = v
	q.n++
}

// Pop takes out the first. The queue must not be empty.
func (q *Queue[T]) Pop() T {
	if q.n == 0 {
		panic("fifo: empty")
	}
	var zero T
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}

// First returns what Pop would. The queue must not be empty.
func (q *Queue[T]) First() T {
	if q.n == 0 {
		panic("fifo: empty")
	}
	return q.ring[q.head]
}

// Last returns what was put behind all others. The queue must not be empty.
func (q *Queue[T]) Last() T {
	if q.n == 0 {
		panic("fifo: empty")
	}
	return q.ring[(q.head+q.n-1)&(len(q.ring)-1)]
}

func (q *Queue[T]) grow() {
	if q.n < len(q.ring) {
		return
	}
	ring := make([]T, max(16, 2*len(q.ring)))
	k := copy(ring, q.ring[q.head:])
	copy(ring[k:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}
