package queue

// A Ring gives back first what was put in first. The zero Ring is empty.
type Ring[T any] struct {
	ring []T // its length is zero or a power of two
	head int
	n    int
}

// Len returns how many are in the ring.
func (r *Ring[T]) Len() int { return r.n }

// Cap returns for how many it has memory.
func (r *Ring[T]) Cap() int { return len(r.ring) }

// Push puts v behind all others.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.ring) {
		r.grow()
	}
	r.ring[(r.head+r.n)&(len(r.ring)-1)] = v
	r.n++
}

// Unpop puts v before all others.
func (r *Ring[T]) Unpop(v T) {
	if r.n == len(r.ring) {
		r.grow()
	}
	r.head = (r.head - 1) & (len(r.ring) - 1)
	r.ring[r.head] = v
	r.n++
}

// Pop takes out the first. The ring must not be empty.
func (r *Ring[T]) Pop() T {
	if r.n == 0 {
		panic("queue: the ring is empty")
	}
	var zero T
	v := r.ring[r.head]
	r.ring[r.head] = zero
	r.head = (r.head + 1) & (len(r.ring) - 1)
	if r.n--; r.n == 0 {
		r.head = 0
	}
	return v
}

// At returns the i-th, counted from the first, which is 0. It may be changed there until
// something is put in or taken out. There must be one.
func (r *Ring[T]) At(i int) *T {
	if uint(i) >= uint(r.n) {
		panic("queue: the ring has no such place")
	}
	return &r.ring[(r.head+i)&(len(r.ring)-1)]
}

// First returns what Pop would. The ring must not be empty.
func (r *Ring[T]) First() T { return *r.At(0) }

// Last returns what was put behind all others. The ring must not be empty.
func (r *Ring[T]) Last() T { return *r.At(r.n - 1) }

// Run returns the first ones, as many as stand side by side in memory: all, if what was
// pushed since the ring was empty has not reached its end. The slice is good until something
// is put in or taken out.
func (r *Ring[T]) Run() []T { return r.ring[r.head:min(r.head+r.n, len(r.ring))] }

// Drop takes out the n first, which there must be.
func (r *Ring[T]) Drop(n int) {
	if n < 0 || n > r.n {
		panic("queue: the ring has not so many")
	}
	end := r.head + n
	if end >= len(r.ring) {
		clear(r.ring[r.head:])
		end -= len(r.ring)
		clear(r.ring[:end])
	} else {
		clear(r.ring[r.head:end])
	}
	if r.head, r.n = end, r.n-n; r.n == 0 {
		r.head = 0
	}
}

// Cut takes out all but the n first, which there must be.
func (r *Ring[T]) Cut(n int) {
	var zero T
	for ; r.n > n; r.n-- {
		*r.At(r.n - 1) = zero
	}
}

func (r *Ring[T]) grow() {
	ring := make([]T, max(16, 2*len(r.ring)))
	n := copy(ring, r.ring[r.head:])
	copy(ring[n:], r.ring[:r.head])
	r.ring, r.head = ring, 0
}
