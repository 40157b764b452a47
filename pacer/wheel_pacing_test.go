package pacer

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/btree"

	"github.com/netcaliper/caliper/pacer/clock"
)

// BenchmarkPacing is what a frame costs in all: one operation asks the flow's Rate for a
// departure, puts it into the queue, and takes out the one that is due first, whose flow
// sends the next. The flows load a line of 1 Gbit/s with full frames at rates of half to
// one and a half of the mean. "ahead" is the wheel with the Rates of those that are soon
// due read ahead.
func BenchmarkPacing(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		for _, queue := range []struct {
			name string
			make func(flows []*Rate) (step func())
		}{{"ahead", paceAhead}, {"wheel", paceByWheel}, {"heap", paceByHeap}, {"btree", paceByBTree}} {
			b.Run(fmt.Sprintf("%s/%d", queue.name, n), func(b *testing.B) {
				before := heapInUse()
				flows := pacedFlows(n)
				step := queue.make(flows)
				for range 3 * n { // until they are spread as they stay
					step()
				}
				perFlow := float64(heapInUse()-before) / float64(n)
				b.ReportAllocs()
				for b.Loop() {
					step()
				}
				b.ReportMetric(perFlow, "B/flow")
			})
		}
	}
}

func pacedFlows(n int) []*Rate {
	rng := rand.New(rand.NewPCG(1, 2))
	flows := make([]*Rate, n)
	for i := range flows {
		flows[i] = &Rate{
			BitsPerSecond: int64(1e9 / float64(n) * (0.5 + rng.Float64())),
			last:          clock.Time(rng.IntN(n * frameTime)),
		}
	}
	return flows
}

var fullFrame = Size{Wire: 1538, IP: 1500, Payload: 1472}

func paceByWheel(flows []*Rate) func() {
	w := new(Wheel[*Rate])
	for _, f := range flows {
		w.Add(f.Depart(fullFrame, 0), f)
	}
	return func() {
		f, now, _ := w.Take(clock.Never)
		w.Add(f.Depart(fullFrame, now), f)
	}
}

func paceAhead(flows []*Rate) func() {
	w := new(Wheel[*Rate])
	for _, f := range flows {
		w.Add(f.Depart(fullFrame, 0), f)
	}
	var soon [32]*Rate
	left, sum := 0, clock.Time(0)
	return func() {
		if left--; left < 0 {
			left = w.Soon(soon[:])
			for _, f := range soon[:left] {
				sum += f.last
			}
		}
		f, now, _ := w.Take(clock.Never)
		w.Add(f.Depart(fullFrame, now), f)
	}
}

type rateDue struct {
	due  clock.Time
	seq  uint64 // equal times in the order of their coming
	rate *Rate
}

func (a rateDue) before(b rateDue) bool { return a.due < b.due || a.due == b.due && a.seq < b.seq }

type rateHeap []rateDue

func (h rateHeap) Len() int           { return len(h) }
func (h rateHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h rateHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *rateHeap) Push(x any)        { *h = append(*h, *x.(*rateDue)) }
func (h *rateHeap) Pop() any {
	*h = (*h)[:len(*h)-1]
	return nil
}

func paceByHeap(flows []*Rate) func() {
	h := new(rateHeap)
	for i := range flows {
		heap.Push(h, &rateDue{flows[i].Depart(fullFrame, 0), uint64(i), flows[i]})
	}
	seq := uint64(len(flows))
	next := new(rateDue)
	return func() {
		*next = (*h)[0]
		heap.Pop(h)
		seq++
		next.due, next.seq = next.rate.Depart(fullFrame, next.due), seq
		heap.Push(h, next)
	}
}

func paceByBTree(flows []*Rate) func() {
	t := btree.NewG(32, rateDue.before)
	for i := range flows {
		t.ReplaceOrInsert(rateDue{flows[i].Depart(fullFrame, 0), uint64(i), flows[i]})
	}
	seq := uint64(len(flows))
	return func() {
		f, _ := t.DeleteMin()
		seq++
		t.ReplaceOrInsert(rateDue{f.rate.Depart(fullFrame, f.due), seq, f.rate})
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
