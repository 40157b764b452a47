package hold

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// frameHeap is a heap of frames that came with their departure, by (departure, order of
// arrival). They mostly come in order of departure, so that a push ends at the place where
// it begins.
type frameHeap struct {
	heap []heldFrame
	seq  uint64
}

type heldFrame struct {
	depart clock.Time
	seq    uint64
	frame  *link.Frame
}

func (a *heldFrame) before(b *heldFrame) bool {
	return a.depart < b.depart || a.depart == b.depart && a.seq < b.seq
}

func (q *frameHeap) first() *link.Frame {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0].frame
}

func (q *frameHeap) push(f *link.Frame) {
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
