package hold

import (
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/queue"
)

// stampedFrames are frames that came with their departure, by (departure, order of arrival).
// They mostly come in order of departure, so that a push ends at the place where it begins.
type stampedFrames struct {
	heap queue.Heap[*link.Frame]
	seq  uint64
}

// first returns the frame that leaves next, or nil.
func (q *stampedFrames) first() *link.Frame {
	if q.heap.Len() == 0 {
		return nil
	}
	f, _ := q.heap.First()
	return f
}

func (q *stampedFrames) push(f *link.Frame) {
	q.seq++
	q.heap.Push(queue.Key{At: int64(f.Depart), Seq: q.seq}, f)
}

func (q *stampedFrames) pop() { q.heap.Pop() }
