package link

import "github.com/netcaliper/caliper/pacer/clock"

// frameHeap is a heap of frames by (departure, order of arrival). Frames of one flow come
// in order of departure, so that a push mostly ends at the place where it begins.
type frameHeap struct {
	heap []heldFrame
	seq  uint64
}

type heldFrame struct {
	depart clock.Time
	seq    uint64
	frame  *Frame
}

func (a *heldFrame) before(b *heldFrame) bool {
	return a.depart < b.depart || a.depart == b.depart && a.seq < b.seq
}

func (q *frameHeap) len() int { return len(q.heap) }

func (q *frameHeap) first() *Frame {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0].frame
}

func (q *frameHeap) push(f *Frame) {
	q.seq++
	e := heldFrame{f.Depart, q.seq, f}
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

func (q *frameHeap) pop() {
	n := len(q.heap) - 1
	e := q.heap[n]
	q.heap[n] = heldFrame{}
	q.heap = q.heap[:n]
	if n == 0 {
		return
	}
	i := 0
	for {
		first := 4*i + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < n && c < first+4; c++ {
			if q.heap[c].before(&q.heap[least]) {
				least = c
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = e
}

// frameRing is a first-in first-out queue that grows and is reused.
type frameRing struct {
	ring      []*Frame // its length is a power of two
	head, end uint     // count without wrapping
}

func (q *frameRing) len() int { return int(q.end - q.head) }

func (q *frameRing) first() *Frame {
	if q.head == q.end {
		return nil
	}
	return q.ring[q.head&uint(len(q.ring)-1)]
}

func (q *frameRing) push(f *Frame) {
	if q.len() == len(q.ring) {
		grown := make([]*Frame, max(16, 2*len(q.ring)))
		for i := range q.len() {
			grown[i] = q.ring[(q.head+uint(i))&uint(len(q.ring)-1)]
		}
		q.ring, q.head, q.end = grown, 0, uint(q.len())
	}
	q.ring[q.end&uint(len(q.ring)-1)] = f
	q.end++
}

func (q *frameRing) pop() {
	q.ring[q.head&uint(len(q.ring)-1)] = nil
	q.head++
}
