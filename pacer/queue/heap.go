package queue

// A Heap gives back first what has the least Key. The zero Heap is empty. It has four
// branches at each place, as it so moves less memory than with two.
type Heap[T any] struct {
	entries []entry[T]
}

type entry[T any] struct {
	Key
	v     T
	place *Place // nil for what was pushed
}

// A Key is by what a Heap is in order: by At, such as a time, and where that is equal by
// Seq. Heaps are stable, and several are in one order, if Seq counts what is put in.
type Key struct {
	At  int64
	Seq uint64
}

// Before reports whether k comes before l.
func (k Key) Before(l Key) bool { return k.At < l.At || k.At == l.At && k.Seq < l.Seq }

// A Place is where in a Heap something is, so that it can be moved or taken out before its
// turn. The zero Place is nowhere. A Place belongs to one Heap, and is not copied.
type Place int

// In reports whether something is there.
func (p Place) In() bool { return p > 0 }

// First reports whether what Pop would return is there.
func (p Place) First() bool { return p == 1 }

// Len returns how many are in the heap.
func (h *Heap[T]) Len() int { return len(h.entries) }

// First returns what Pop would, and its Key. The heap must not be empty.
func (h *Heap[T]) First() (T, Key) { return h.entries[0].v, h.entries[0].Key }

// Push puts v in.
func (h *Heap[T]) Push(k Key, v T) {
	e := entry[T]{k, v, nil}
	h.entries = append(h.entries, e)
	h.up(len(h.entries)-1, &e)
}

// Set puts v in, to be found at the place, or puts it in place of what is there.
func (h *Heap[T]) Set(place *Place, k Key, v T) {
	e := entry[T]{k, v, place}
	if i := int(*place) - 1; i >= 0 {
		h.move(i, &e)
		return
	}
	h.entries = append(h.entries, e)
	h.up(len(h.entries)-1, &e)
}

// Pop takes out the first. The heap must not be empty.
func (h *Heap[T]) Pop() T {
	v := h.entries[0].v
	h.remove(0)
	return v
}

// Remove takes out what is at the place, and reports whether there was something.
func (h *Heap[T]) Remove(place *Place) bool {
	if !place.In() {
		return false
	}
	h.remove(int(*place) - 1)
	return true
}

// remove takes out what is at i.
func (h *Heap[T]) remove(i int) {
	if p := h.entries[i].place; p != nil {
		*p = 0
	}
	n := len(h.entries) - 1
	last := h.entries[n]
	h.entries[n] = entry[T]{}
	h.entries = h.entries[:n]
	if i < n {
		h.move(i, &last)
	}
}

// move puts e at i, which is free, or where it belongs from there.
func (h *Heap[T]) move(i int, e *entry[T]) {
	if i > 0 && e.Before(h.entries[(i-1)/4].Key) {
		h.up(i, e)
	} else {
		h.down(i, e)
	}
}

// up puts e at i, which is free, or before those that it belongs before.
func (h *Heap[T]) up(i int, e *entry[T]) {
	a := h.entries
	for i > 0 {
		p := &a[(i-1)/4]
		if p.Before(e.Key) {
			break
		}
		a[i] = *p
		if p.place != nil {
			*p.place = Place(i + 1)
		}
		i = (i - 1) / 4
	}
	a[i] = *e
	if e.place != nil {
		*e.place = Place(i + 1)
	}
}

// down puts e at i, which is free, or behind those that it belongs behind.
func (h *Heap[T]) down(i int, e *entry[T]) {
	a := h.entries
	for {
		first := 4*i + 1
		if first >= len(a) {
			break
		}
		branches := a[first:min(first+4, len(a))]
		least := 0
		key := branches[0].Key
		for c := 1; c < len(branches); c++ {
			if branches[c].Before(key) {
				least, key = c, branches[c].Key
			}
		}
		if e.Before(key) {
			break
		}
		l := &branches[least]
		a[i] = *l
		if l.place != nil {
			*l.place = Place(i + 1)
		}
		i = first + least
	}
	a[i] = *e
	if e.place != nil {
		*e.place = Place(i + 1)
	}
}
